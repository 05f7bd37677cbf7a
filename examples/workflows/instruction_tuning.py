"""Tune a base model on instructions, with a prompt template of its own and an adapter.

    python examples/workflows/instruction_tuning.py

Needs: pip install "datadreamer[train]"
"""

import argparse

from peft import LoraConfig

from datadreamer import DataDreamer
from datadreamer.steps import HFHubDataSource
from datadreamer.trainers import TrainHFFineTune

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--accumulate", type=int, default=32, help="batches of one row to an optimizer step")
parser.add_argument("--output", default="./output/instruction-tuning")
arguments = parser.parse_args()


def with_input(row):
    """An instruction, with the text it is about where there is one."""
    both = f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"]
    return {"instructions": both, "outputs": row["output"]}


with DataDreamer(arguments.output):
    alpaca = HFHubDataSource("Instructions", "yahma/alpaca-cleaned", split="train").take(arguments.rows)
    examples = alpaca.map(with_input, lazy=False, name="Instructions with their inputs").select_columns(
        ["instructions", "outputs"]
    )

    splits = examples.splits(train_size=0.90, validation_size=0.10)
    trainer = TrainHFFineTune(
        "Tune on instructions",
        model_name="TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T",
        chat_prompt_template="### Instruction:\n{{prompt}}\n\n### Response:\n",
        peft_config=LoraConfig(),
        dtype="bfloat16",
    )
    trainer.train(
        train_input=splits["train"].output["instructions"],
        train_output=splits["train"].output["outputs"],
        validation_input=splits["validation"].output["instructions"],
        validation_output=splits["validation"].output["outputs"],
        epochs=arguments.epochs,
        batch_size=1,
        gradient_accumulation_steps=arguments.accumulate,
    )
    trainer.export_to_disk(f"{arguments.output}/model")
