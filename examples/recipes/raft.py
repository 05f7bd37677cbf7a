"""Make questions about documents, answered among distractors, for a model that reads what is retrieved.

    python examples/recipes/raft.py    # OpenAI
    python examples/recipes/raft.py --base-url http://localhost:8000/v1 --model my-model

The method: Zhang et al. 2024 (arXiv 2403.10131).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import RAFT
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/raft")
arguments = parser.parse_args()

FACTS = [
    "The library opens at nine.",
    "Bus 4 stops at the mill.",
    "The pool is closed on Mondays.",
    "The mayor is Ada.",
]

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    documents = DataSource("Documents", {"text": FACTS})
    rows = RAFT("Questions", documents=documents["text"], llm=llm, questions=1, distractors=2)
    print(rows.head())
