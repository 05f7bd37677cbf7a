"""Make questions that need reasoning, with their answers, out of passages.

    python examples/recipes/genstruct.py    # OpenAI
    python examples/recipes/genstruct.py --base-url http://localhost:8000/v1 --model my-model

The method: Genstruct 7B (NousResearch) and Cui and Wang 2023 (arXiv 2310.04484).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import Genstruct
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/genstruct")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    passages = DataSource(
        "Passages",
        {
            "title": ["Tides"],
            "text": ["Tides rise because the moon pulls on the water of the near side more than on the earth itself."],
        },
    )
    exchanges = Genstruct("Questions", passages=passages["text"], titles=passages["title"], llm=llm, per_passage=2)
    print(exchanges.head())
