"""Generate abstracts, summarise them as tweets, train a small model to do the same, and publish both.

    OPENAI_API_KEY=... HF_TOKEN=... python examples/workflows/abstract_to_tweet.py --namespace my-name

Needs: pip install "datadreamer[train]"
"""

import argparse

from peft import LoraConfig

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import DataFromPrompt, ProcessWithPrompt
from datadreamer.trainers import TrainHFFineTune

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--namespace", required=True, help="your name on the Hugging Face Hub")
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--output", default="./output/abstract-to-tweet")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    gpt_4 = OpenAI(model_name="gpt-4")

    abstracts = DataFromPrompt(
        "Generate research paper abstracts",
        args={
            "llm": gpt_4,
            "n": arguments.rows,
            "temperature": 1.2,
            "instruction": "Write the abstract of an arXiv paper about natural language processing. Give nothing else.",
        },
        outputs={"generations": "abstracts"},
    )
    pairs = ProcessWithPrompt(
        "Turn abstracts into tweets",
        inputs={"inputs": abstracts.output["abstracts"]},
        args={
            "llm": gpt_4,
            "instruction": "Summarise the abstract in one tweet that makes people want to read the paper.",
            "top_p": 1.0,
        },
        outputs={"inputs": "abstracts", "generations": "tweets"},
    )

    splits = pairs.splits(train_size=0.90, validation_size=0.10)
    trainer = TrainHFFineTune(
        "Train an abstract to tweet model",
        model_name="google/t5-v1_1-base",
        peft_config=LoraConfig(),
    )
    trainer.train(
        train_input=splits["train"].output["abstracts"],
        train_output=splits["train"].output["tweets"],
        validation_input=splits["validation"].output["abstracts"],
        validation_output=splits["validation"].output["tweets"],
        epochs=arguments.epochs,
        batch_size=8,
    )

    pairs.publish_to_hf_hub(f"{arguments.namespace}/abstracts-and-tweets", train_size=0.90, validation_size=0.10)
    trainer.publish_to_hf_hub(f"{arguments.namespace}/abstract-to-tweet")
