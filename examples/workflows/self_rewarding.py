"""Self-rewarding: in each round a model answers twice, judges its own answers, and learns from its judgements.

After Yuan et al. 2024, "Self-Rewarding Language Models" (arXiv 2401.10020), section 2.

    python examples/workflows/self_rewarding.py

Needs: pip install "datadreamer[train]"
"""

import argparse

from peft import LoraConfig

from datadreamer import DataDreamer
from datadreamer.llms import HFTransformers
from datadreamer.steps import HFHubDataSource, JudgeGenerationPairsWithPrompt, Prompt
from datadreamer.trainers import TrainHFDPO

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", default="TinyLlama/TinyLlama-1.1B-Chat-v1.0")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--rows", type=int, default=3000)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--max-new-tokens", type=int, default=256)
parser.add_argument("--output", default="./output/self-rewarding")
arguments = parser.parse_args()


def as_preference(row):
    """The judged pair, by which of the two answers is the better one."""
    first = row["judgements"] == "Response A"
    return {
        "chosen": row["a"] if first else row["b"],
        "rejected": row["b"] if first else row["a"],
    }


with DataDreamer(arguments.output):
    prompts = HFHubDataSource("Prompts", "Intel/orca_dpo_pairs", split="train").select_columns(["question"])
    prompts = prompts.take(arguments.rows)
    adapter = None
    for number in range(1, arguments.rounds + 1):
        llm = HFTransformers(arguments.model, adapter_name=adapter, device_map="auto")
        shard = prompts.shard(num_shards=arguments.rounds, index=number - 1, name=f"Prompts of round {number}")
        first, second = (
            Prompt(
                f"{which} answers of round {number}",
                inputs={"prompts": shard.output["question"]},
                args={"llm": llm, "seed": seed, "max_new_tokens": arguments.max_new_tokens},
            )
            for seed, which in enumerate(("First", "Second"))
        )
        judged = JudgeGenerationPairsWithPrompt(
            f"Judgements of round {number}",
            inputs={
                "prompts": shard.output["question"],
                "a": first.output["generations"],
                "b": second.output["generations"],
            },
            args={"llm": llm, "max_new_tokens": 5},
        )
        llm.unload_model()

        preferences = judged.map(as_preference, lazy=False, name=f"Preferences of round {number}")
        splits = preferences.splits(train_size=0.90, validation_size=0.10, name=f"Splits of round {number}")
        trainer = TrainHFDPO(
            f"Align in round {number}", model_name=arguments.model, peft_config=LoraConfig(), dtype="bfloat16"
        )
        trainer.train(
            train_prompts=splits["train"].output["prompts"],
            train_chosen=splits["train"].output["chosen"],
            train_rejected=splits["train"].output["rejected"],
            validation_prompts=splits["validation"].output["prompts"],
            validation_chosen=splits["validation"].output["chosen"],
            validation_rejected=splits["validation"].output["rejected"],
            epochs=arguments.epochs,
            batch_size=1,
            gradient_accumulation_steps=4,
        )
        trainer.unload_model()
        adapter = trainer.model_path
    print("The adapter of the last round:", adapter)
