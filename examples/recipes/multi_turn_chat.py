"""Let two models talk: one plays a person, the other is the assistant.

    python examples/recipes/multi_turn_chat.py    # OpenAI
    python examples/recipes/multi_turn_chat.py --base-url http://localhost:8000/v1 --model my-model

The method: Xu et al. 2023 (arXiv 2304.01196).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import MultiTurnChat
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/multi-turn-chat")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    topics = DataSource("Topics", {"topic": ["Somebody learns to bake bread.", "Somebody plans a trip by train."]})
    talks = MultiTurnChat("Talks", topics=topics["topic"], llm=llm, turns=2)
    print(talks.head())
