"""Align a chat model with human preferences by direct preference optimisation.

    python examples/workflows/aligning.py

Needs: pip install "datadreamer[train]"
"""

import argparse

from peft import LoraConfig

from datadreamer import DataDreamer
from datadreamer.steps import HFHubDataSource
from datadreamer.trainers import TrainHFDPO

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--output", default="./output/aligning")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    pairs = HFHubDataSource("Preferences", "Intel/orca_dpo_pairs", split="train").take(arguments.rows)
    splits = pairs.splits(train_size=0.90, validation_size=0.10)
    trainer = TrainHFDPO(
        "Align TinyLlama",
        model_name="TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        peft_config=LoraConfig(),
        dtype="bfloat16",
    )
    trainer.train(
        train_prompts=splits["train"].output["question"],
        train_chosen=splits["train"].output["chosen"],
        train_rejected=splits["train"].output["rejected"],
        validation_prompts=splits["validation"].output["question"],
        validation_chosen=splits["validation"].output["chosen"],
        validation_rejected=splits["validation"].output["rejected"],
        epochs=arguments.epochs,
        batch_size=1,
        gradient_accumulation_steps=4,
    )
    trainer.export_to_disk(f"{arguments.output}/model")
