"""Make varied synthetic reviews: ask for every combination of attributes, and let the model judge which to keep.

    python examples/attributed_reviews.py --base-url http://localhost:8000/v1 --model my-model --rows 200

The method is that of arXiv 2306.15895 (attributed prompts); the filter is a model as judge, as in arXiv 2306.05685.
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import DataFromAttributedPrompt, FilterWithPrompt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-url", default="http://localhost:8000/v1")
parser.add_argument("--model", default="default")
parser.add_argument("--rows", type=int, default=60)
parser.add_argument("--output", default="./output/attributed-reviews")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(model_name=arguments.model, base_url=arguments.base_url)
    reviews = DataFromAttributedPrompt(
        "Write reviews",
        llm=llm,
        n=arguments.rows,
        instruction="Write a {sentiment} review of a {product}.",
        attributes={
            "sentiment": ["positive", "negative"],
            "product": ["kettle", "backpack", "lamp", "phone"],
        },
        temperature=1.0,
        max_new_tokens=80,
        outputs={"generations": "review"},
    )
    kept = FilterWithPrompt(
        "Keep real reviews",
        inputs=reviews["review"],
        llm=llm,
        instruction="Is this a review of a product? Answer with Yes or No.",
        temperature=0.0,
        max_new_tokens=5,
    )
    print(f"{len(kept.output)} of {len(reviews.output)} reviews kept")
    for name, part in kept.shuffle(seed=1).splits(train_size=0.8, validation_size=0.2).items():
        part.export_to_json(f"{arguments.output}/reviews.{name}.jsonl")
