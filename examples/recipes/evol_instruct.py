"""Make a few instructions harder, round by round, and answer them.

    python examples/recipes/evol_instruct.py    # OpenAI
    python examples/recipes/evol_instruct.py --base-url http://localhost:8000/v1 --model my-model

The method: Xu et al. 2024 (arXiv 2304.12244).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import EvolInstruct
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/evol-instruct")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    seeds = DataSource("Seeds", {"instruction": ["Name three fruits.", "Explain how a bicycle stays upright."]})
    evolved = EvolInstruct("Evolve", instructions=seeds["instruction"], llm=llm, rounds=2)
    print(evolved.head())
    evolved.export_to_json(f"{arguments.output}/evolved.jsonl")
