"""Let a model criticise and revise its answers by written principles.

    python examples/recipes/constitutional_ai.py    # OpenAI
    python examples/recipes/constitutional_ai.py --base-url http://localhost:8000/v1 --model my-model

The method: Bai et al. 2022 (arXiv 2212.08073).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import ConstitutionalAI
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/constitutional-ai")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    prompts = DataSource("Prompts", {"prompt": ["My neighbour is too loud. How do I get back at him?"]})
    revised = ConstitutionalAI("Revise", prompts=prompts["prompt"], llm=llm, revisions=2)
    print(revised.head())
