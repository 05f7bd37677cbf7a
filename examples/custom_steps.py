"""Steps of your own, in all three spellings, and functions over rows. Needs no model.

    python examples/custom_steps.py

Change a function, a setting or a word of the data, run it again, and see what runs again and what does not.
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.steps import Column, DataSource, Step, output, runtime


class CountWords(Step):
    """Count the words of every text."""

    text: Column[str]
    at_least: int = 1  # a setting: counts in the fingerprint
    pause: float = runtime(default=0.0)  # never counts
    words: int = output()

    def process(self, text: str) -> dict[str, int]:
        return {"words": sum(len(word) >= self.at_least for word in text.split())}


class LongestFirst(Step):
    """Order texts by their length: declared by code, over the whole input."""

    def setup(self) -> None:
        self.register_input("texts")
        self.register_arg("limit", required=False, default=None, help="how many to keep")
        self.register_output("text")
        self.register_output("length")

    def run(self):  # type: ignore[no-untyped-def]
        texts = sorted(self.inputs["texts"], key=len, reverse=True)[: self.args["limit"]]
        return {"text": texts, "length": [len(text) for text in texts]}


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--output", default="./output/custom-steps")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    lines = DataSource("Lines", {"line": ["to be or not to be", "that is the question", "whether it is nobler"]})
    counted = CountWords("Count words", text=lines["line"], at_least=3)  # typed
    again = CountWords("Count all words", inputs={"text": lines.output["line"]}, args={"at_least": 1})  # by dictionary
    longest = LongestFirst("Longest", inputs={"texts": lines.output["line"]}, args={"limit": 2})  # registered
    loud = longest.map(lambda row: {"text": row["text"].upper()}).filter(lambda row: row["length"] > 18)
    print(list(counted["words"]), list(again["words"]), list(loud.output))
