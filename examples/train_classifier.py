"""Train a classifier on labelled rows, and use it as a model of a later step.

    python examples/train_classifier.py                      # on data/reviews-labelled.jsonl, from the bundled model
    python examples/train_classifier.py --base-model distilbert/distilbert-base-uncased --epochs 3

Needs: pip install "datadreamer[train]"
"""

import argparse
from pathlib import Path

from datadreamer import DataDreamer
from datadreamer.bundled import toy_model_path
from datadreamer.steps import JSONDataSource, RunTaskModel
from datadreamer.task_models import HFClassificationTaskModel
from datadreamer.trainers import TrainHFClassifier

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--file", default=str(Path(__file__).parent / "data" / "reviews-labelled.jsonl"))
parser.add_argument("--base-model", default=toy_model_path())
parser.add_argument("--epochs", type=float, default=4)
parser.add_argument("--output", default="./output/train-classifier")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    rows = JSONDataSource("Labelled reviews", data_files=arguments.file).shuffle(seed=1)
    splits = rows.splits(train_size=0.75, validation_size=0.25)
    trainer = TrainHFClassifier("Train the classifier", model_name=arguments.base_model)
    trainer.train(
        train_input=splits["train"].output["review"],
        train_output=splits["train"].output["label"],
        validation_input=splits["validation"].output["review"],
        validation_output=splits["validation"].output["label"],
        epochs=arguments.epochs,
        batch_size=8,
        learning_rate=1e-3,
    )
    scored = RunTaskModel(
        "Classify",
        inputs={"texts": splits["validation"].output["review"]},
        args={"model": HFClassificationTaskModel(trainer.model_path)},
    )
    for row in scored.take(3).output:
        print(row["results"], row["texts"])
    print("The model lies in", trainer.model_path)
