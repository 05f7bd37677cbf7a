"""Draw several solutions of each problem, and keep the right ones: maths by SymPy, code by running it.

    python examples/recipes/rejection_sampling.py    # OpenAI
    python examples/recipes/rejection_sampling.py --base-url http://localhost:8000/v1 --model my-model

The method: Yuan et al. 2023 (arXiv 2308.01825).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import RejectionSampling
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/rejection-sampling")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    problems = DataSource("Problems", {"text": ["What is 3/4 of 12?", "Solve x + 5 = 9."], "answer": ["9", "x = 4"]})
    solved = RejectionSampling(
        "Solve", problems=problems["text"], references=problems["answer"], llm=llm, samples=4, verify="math"
    )
    tasks = DataSource(
        "Tasks", {"text": ["Write a function double(x)."], "tests": ["assert double(3) == 6\nassert double(0) == 0"]}
    )
    coded = RejectionSampling(
        "Code", problems=tasks["text"], references=tasks["tests"], llm=llm, samples=4, verify="code"
    )
    print(solved.head(), coded.head())
