"""The workflow that `datadreamer demo` runs: a plain script, as anybody could have written it.

A small model writes product reviews to order, labels them without knowing the order, and judges whether they follow
it. What passes trains a classifier. To run it with another model, change the line that says `llm =`.
"""

from __future__ import annotations

from typing import Any

from datadreamer import DataDreamer
from datadreamer.bundled import toy_model_path
from datadreamer.llms import HFTransformers
from datadreamer.steps import DataFromAttributedPrompt, FilterWithPrompt, ProcessWithPrompt, zipped
from datadreamer.trainers import TrainHFClassifier

ATTRIBUTES = {
    "product": ["kettle", "backpack", "tent", "lamp", "keyboard", "blanket"],
    "feature": ["price", "design", "size", "color", "quality"],
    "sentiment": ["positive", "negative"],
}


def as_label(answer: str) -> str:
    """The model's answer as a label."""
    return "positive" if "positive" in answer.lower() else "negative"


def as_exchange(row: dict[str, Any]) -> dict[str, str]:
    """What was asked and what was written, as the judge shall see it."""
    return {"exchange": f"{row['request']}\n\nResponse: {row['review']}", "ordered": row["attributes"]["sentiment"]}


def run(folder: str, rows: int, verbose: bool | None = None) -> None:
    """Run the workflow, or open what is finished of it."""
    with DataDreamer(folder, verbose=verbose):
        llm = HFTransformers(toy_model_path())

        reviews = DataFromAttributedPrompt(
            "Write reviews",
            llm=llm,
            n=rows,
            instruction="Write a {sentiment} review of a {product} that mentions its {feature}.",
            attributes=ATTRIBUTES,
            max_new_tokens=60,
            batch_size=100,
            outputs={"prompts": "request", "generations": "review"},
        )
        labels = ProcessWithPrompt(
            "Label reviews",
            inputs=reviews["review"],
            llm=llm,
            instruction="What is the sentiment of this review? Answer with positive or negative.",
            post_process=as_label,
            temperature=0.0,
            max_new_tokens=4,
            batch_size=100,
            outputs={"generations": "label"},
        )
        labelled = zipped(reviews, labels.select_columns(["label"])).map(
            as_exchange, lazy=False, name="Labelled reviews"
        )
        accepted = FilterWithPrompt(
            "Reviews that the judge accepts",
            inputs=labelled["exchange"],
            llm=llm,
            input_label="Prompt:",
            instruction="Does the response follow the prompt? Answer with Yes or No.",
            temperature=0.0,
            max_new_tokens=4,
            batch_size=100,
        )
        kept = accepted.filter(lambda row: row["label"] == row["ordered"], lazy=False, name="Reviews")

        splits = kept.splits(train_size=0.7, validation_size=0.3, stratify_by_column="label")
        trainer = TrainHFClassifier("Sentiment classifier", model_name=toy_model_path())
        trainer.train(
            train_input=splits["train"]["review"],
            train_output=splits["train"]["label"],
            validation_input=splits["validation"]["review"],
            validation_output=splits["validation"]["label"],
            epochs=3,
            batch_size=16,
            learning_rate=5e-4,
        )

        kept.export_to_parquet(f"{folder}/reviews.parquet")
        kept.export_to_json(f"{folder}/reviews.jsonl")
