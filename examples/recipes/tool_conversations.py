"""Make conversations in which an assistant calls tools, with every call checked.

    python examples/recipes/tool_conversations.py    # OpenAI
    python examples/recipes/tool_conversations.py --base-url http://localhost:8000/v1 --model my-model

The method: Liu et al. 2024 (arXiv 2406.18518).
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.recipes import ToolConversations
from datadreamer.steps import DataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default=None, help="of an OpenAI-compatible server; OpenAI itself when left out")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/recipes/tool-conversations")
arguments = parser.parse_args()

WEATHER = {
    "name": "weather",
    "description": "The weather in a city on a day.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "day": {"type": "string"}},
        "required": ["city", "day"],
    },
}

with DataDreamer(arguments.output):
    llm = OpenAI(arguments.model, base_url=arguments.base_url)
    scenarios = DataSource("Scenarios", {"who": ["A gardener in Lyon who wants to plant on Saturday."]})
    talks = ToolConversations("Talks", scenarios=scenarios["who"], llm=llm, tools=[WEATHER])
    print(talks.head())
