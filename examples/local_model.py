"""Prompt a Hugging Face model on this machine: by default the small one that ships inside the package.

    python examples/local_model.py
    python examples/local_model.py --model HuggingFaceTB/SmolLM2-135M-Instruct

Needs: pip install "datadreamer[hf]"
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.bundled import toy_model_path
from datadreamer.llms import HFTransformers
from datadreamer.steps import DataFromAttributedPrompt, ProcessWithPrompt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", default=toy_model_path())
parser.add_argument("--rows", type=int, default=16)
parser.add_argument("--output", default="./output/local-model")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = HFTransformers(arguments.model)
    reviews = DataFromAttributedPrompt(
        "Write reviews",
        llm=llm,
        n=arguments.rows,
        instruction="Write a {sentiment} review of a {product}.",
        attributes={"sentiment": ["positive", "negative"], "product": ["kettle", "backpack", "lamp", "phone"]},
        max_new_tokens=80,
        outputs={"generations": "review"},
    )
    titles = ProcessWithPrompt(
        "Write titles",
        inputs=reviews["review"],
        llm=llm,
        instruction="Write a short title for this review.",
        temperature=0.0,
        max_new_tokens=20,
        outputs={"inputs": "review", "generations": "title"},
    )
    for row in titles.take(4).output:
        print(f"{row['title']}\n    {row['review']}")
