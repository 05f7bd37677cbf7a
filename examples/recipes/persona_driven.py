"""Imagine people behind texts, and let each of them ask for something.

    python examples/recipes/persona_driven.py    # OpenAI
    python examples/recipes/persona_driven.py --base-url http://localhost:8000/v1 --model my-model

The method: Ge et al. 2024 (arXiv 2406.20094).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import PersonaDriven, PersonasFromTexts
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/persona-driven")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    texts = DataSource("Texts", {"text": ["A guide to pruning old apple trees.", "Minutes of the harbour committee."]})
    people = PersonasFromTexts("People", texts=texts["text"], llm=llm, per_text=2)
    asked = PersonaDriven("Instructions", personas=people["persona"], llm=llm, request="instruction")
    print(asked.head())
