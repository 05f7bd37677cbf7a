"""Write the instructions to which texts of people are the answers, and keep the good pairs.

    python examples/recipes/instruction_backtranslation.py    # OpenAI
    python examples/recipes/instruction_backtranslation.py --base-url http://localhost:8000/v1 --model my-model

The method: Li et al. 2023 (arXiv 2308.06259).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import InstructionBacktranslation
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/instruction-backtranslation")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    texts = DataSource(
        "Texts", {"text": ["Soak the beans overnight. Rinse them, then simmer for an hour without salt."]}
    )
    pairs = InstructionBacktranslation("Back", texts=texts["text"], llm=llm, threshold=4)
    print(pairs.head())
