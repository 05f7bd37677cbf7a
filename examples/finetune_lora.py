"""Fine-tune a LoRA adapter on pairs of texts that a model generated, then prompt the adapted model.

    python examples/finetune_lora.py                        # the small bundled model, on the processor
    python examples/finetune_lora.py --base-model HuggingFaceTB/SmolLM2-135M-Instruct --epochs 3

Needs: pip install "datadreamer[train]"
"""

import argparse

from peft import LoraConfig

from datadreamer import DataDreamer
from datadreamer.bundled import toy_model_path
from datadreamer.llms import HFTransformers
from datadreamer.steps import DataFromAttributedPrompt, ProcessWithPrompt
from datadreamer.trainers import TrainHFFineTune

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--base-model", default=toy_model_path())
parser.add_argument("--rows", type=int, default=48)
parser.add_argument("--epochs", type=float, default=2)
parser.add_argument("--output", default="./output/finetune-lora")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    reviews = DataFromAttributedPrompt(
        "Write reviews",
        llm=HFTransformers(arguments.base_model),
        n=arguments.rows,
        instruction="Write a {sentiment} review of a {product}.",
        attributes={"sentiment": ["positive", "negative"], "product": ["kettle", "backpack", "lamp", "phone"]},
        max_new_tokens=80,
        outputs={"generations": "review"},
    )
    pairs = reviews.map(lambda row: {"short": row["review"].split(".")[0] + "."}, lazy=False, name="First sentences")
    splits = pairs.splits(train_size=0.75, validation_size=0.25)
    trainer = TrainHFFineTune(
        "Train to shorten",
        model_name=arguments.base_model,
        peft_config=LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]),
    )
    trainer.train(
        train_input=splits["train"].output["review"],
        train_output=splits["train"].output["short"],
        validation_input=splits["validation"].output["review"],
        validation_output=splits["validation"].output["short"],
        epochs=arguments.epochs,
        batch_size=8,
    )
    shortened = ProcessWithPrompt(
        "Shorten with the adapter",
        inputs=splits["validation"]["review"],
        llm=HFTransformers(arguments.base_model, adapter_name=trainer.model_path),
        instruction="Shorten this review to one sentence.",
        max_new_tokens=40,
    )
    print(shortened.head(3))
