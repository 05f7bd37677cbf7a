"""Make questions for a whole discipline: subjects, their syllabi, their key concepts.

    python examples/recipes/glan.py    # OpenAI
    python examples/recipes/glan.py --base-url http://localhost:8000/v1 --model my-model

The method: Li et al. 2024 (arXiv 2402.13064).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import GLAN
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/glan")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    disciplines = DataSource("Disciplines", {"name": ["Oceanography"]})
    questions = GLAN("Curriculum", disciplines=disciplines["name"], llm=llm, subjects=2, sessions=3, questions=2)
    print(questions.head())
