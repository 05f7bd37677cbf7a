"""Add a column to a published dataset: questions of HotpotQA, decomposed into simpler ones.

OPENAI_API_KEY=... HF_TOKEN=... python examples/workflows/dataset_augmentation.py --namespace my-name
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import HFHubDataSource, ProcessWithPrompt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--namespace", required=True, help="your name on the Hugging Face Hub")
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--output", default="./output/dataset-augmentation")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    gpt_4 = OpenAI(model_name="gpt-4")

    hotpot_qa = HFHubDataSource(
        "Questions that need several steps", "hotpot_qa", config_name="distractor", split="train"
    ).select_columns(["question"])
    questions = hotpot_qa.take(arguments.rows)
    decomposed = ProcessWithPrompt(
        "Decompose the questions",
        inputs={"inputs": questions.output["question"]},
        args={
            "llm": gpt_4,
            "instruction": (
                "Break the question into the simpler questions that have to be answered first. Give one a line, and "
                "nothing else."
            ),
        },
        outputs={"inputs": "questions", "generations": "decompositions"},
    ).select_columns(["questions", "decompositions"])
    decomposed.publish_to_hf_hub(f"{arguments.namespace}/hotpot-qa-decomposed", train_size=0.90, validation_size=0.10)
