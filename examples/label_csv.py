"""Label the rows of a CSV file by asking any OpenAI-compatible server, and write a CSV file with the labels.

    python examples/label_csv.py --base-url http://localhost:8000/v1 --model my-model
    OPENAI_API_KEY=... python examples/label_csv.py --model gpt-4o-mini

Run it again: nothing is asked. Change INSTRUCTION: every row is asked once more.
"""

import argparse
from pathlib import Path

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import CSVDataSource, ProcessWithPrompt, zipped

INSTRUCTION = "What is the sentiment of this review? Answer with positive or negative."


def label(answer: str) -> str:
    """The label in an answer; changing this function asks nothing again."""
    return "positive" if "positive" in answer.lower() else "negative"


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--file", default=str(Path(__file__).parent / "data" / "reviews.csv"))
parser.add_argument("--base-url", help="of the server; OpenAI's own by default")
parser.add_argument("--model", default="gpt-4o-mini")
parser.add_argument("--output", default="./output/label-csv")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    reviews = CSVDataSource("Reviews", data_files=arguments.file)
    labels = ProcessWithPrompt(
        "Label reviews",
        inputs=reviews["review"],
        llm=OpenAI(model_name=arguments.model, base_url=arguments.base_url),
        instruction=INSTRUCTION,
        temperature=0.0,
        max_new_tokens=5,
        post_process=label,
        outputs={"generations": "label"},
    )
    labelled = zipped(reviews, labels.select_columns(["label"]), name="Labelled reviews")
    print(labelled.head())
    print("Written:", labelled.export_to_csv(f"{arguments.output}/labelled.csv"))
