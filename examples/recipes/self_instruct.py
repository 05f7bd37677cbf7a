"""Grow many tasks, each with an example, out of a handful.

    python examples/recipes/self_instruct.py    # OpenAI
    python examples/recipes/self_instruct.py --base-url http://localhost:8000/v1 --model my-model

The method: Wang et al. 2023 (arXiv 2212.10560).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import SelfInstruct
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/self-instruct")
arguments = parser.parse_args()

SEEDS = [
    "Write a short poem about a season.",
    "Say which of the given words does not belong to the others.",
    "Rewrite the sentence in the passive voice.",
    "Suggest a name for a café by the sea.",
    "Explain the joke.",
    "Is the review positive or negative?",
    "List the steps of making tea.",
    "Give a counterexample to the claim.",
]

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    seeds = DataSource("Seeds", {"task": SEEDS})
    tasks = SelfInstruct("Grow", seeds=seeds["task"], llm=llm, n=8)
    print(tasks.head())
