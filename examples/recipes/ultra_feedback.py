"""Let two models answer, have the answers rated in four respects, and pair the better with the worse.

    python examples/recipes/ultra_feedback.py    # OpenAI
    python examples/recipes/ultra_feedback.py --base-url http://localhost:8000/v1 --model my-model

The method: Cui et al. 2023 (arXiv 2310.01377).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import UltraFeedback
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/ultra-feedback")
arguments = parser.parse_args()

SHORT = "Answer in one word."

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    terse = OpenAI(arguments.model, base_url=arguments.base_url, system_prompt=SHORT)
    prompts = DataSource("Prompts", {"prompt": ["Why is the sky blue?", "How do I learn to swim?"]})
    pairs = UltraFeedback("Rate", prompts=prompts["prompt"], models=[llm, terse], llm=llm)
    print(pairs.head())
