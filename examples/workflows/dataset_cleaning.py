"""Clean a published dataset: keep the news articles whose summary a model finds free of hearsay.

OPENAI_API_KEY=... HF_TOKEN=... python examples/workflows/dataset_cleaning.py --namespace my-name
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import FilterWithPrompt, HFHubDataSource

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--namespace", required=True, help="your name on the Hugging Face Hub")
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--output", default="./output/dataset-cleaning")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    gpt_4 = OpenAI(model_name="gpt-4")

    cnn_dailymail = HFHubDataSource("News articles", "cnn_dailymail", config_name="3.0.0", split="train")
    articles = cnn_dailymail.take(arguments.rows)
    kept = FilterWithPrompt(
        "Drop gossip",
        inputs={"inputs": articles.output["highlights"]},
        args={
            "llm": gpt_4,
            "instruction": "Does this report facts rather than gossip? Answer with Yes or No.",
        },
    )
    kept.publish_to_hf_hub(f"{arguments.namespace}/news-without-gossip", train_size=0.90, validation_size=0.10)
