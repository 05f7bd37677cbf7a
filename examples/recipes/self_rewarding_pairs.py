"""Let a model judge its own answers, and pair the best with the worst.

    python examples/recipes/self_rewarding_pairs.py    # OpenAI
    python examples/recipes/self_rewarding_pairs.py --base-url http://localhost:8000/v1 --model my-model

The method: Yuan et al. 2024 (arXiv 2401.10020).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import SelfRewardingPairs
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/self-rewarding-pairs")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    prompts = DataSource("Prompts", {"prompt": ["Why do cats purr?", "Plan a picnic."]})
    pairs = SelfRewardingPairs("Pairs", prompts=prompts["prompt"], llm=llm, answers=3, judgements=2)
    print(pairs.head())
