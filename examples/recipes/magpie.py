"""Draw instructions out of a chat model by giving it only the beginning of a user's turn.

    python examples/recipes/magpie.py                                        # the small bundled model
    python examples/recipes/magpie.py --model HuggingFaceTB/SmolLM2-1.7B-Instruct --rows 1000

The method: Xu et al. 2024 (arXiv 2406.08464). Needs: pip install "datadreamer[hf]"
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.bundled import toy_model_path
from datadreamer.llms import HFTransformers
from datadreamer.recipes import Magpie

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", default=toy_model_path())
parser.add_argument("--rows", type=int, default=8)
parser.add_argument("--output", default="./output/recipes/magpie")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    drawn = Magpie(
        "Draw", llm=HFTransformers(arguments.model), n=arguments.rows, max_query_tokens=40, max_new_tokens=60, seed=1
    )
    print(drawn.head())
