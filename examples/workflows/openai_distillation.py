"""Distil a large model into a smaller one: answers of GPT-4 to real questions, learnt by a model fine-tuned at OpenAI.

    OPENAI_API_KEY=... python examples/workflows/openai_distillation.py

Needs: pip install "datadreamer[openai]"
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import HFHubDataSource, ProcessWithPrompt
from datadreamer.trainers import TrainOpenAIFineTune

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--student", default="gpt-4o-mini-2024-07-18")
parser.add_argument("--output", default="./output/openai-distillation")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    gpt_4 = OpenAI(model_name="gpt-4")

    eli5 = HFHubDataSource(
        "Questions of people", "eli5_category", split="train", trust_remote_code=True
    ).select_columns(["title"])
    questions = eli5.take(arguments.rows)
    answered = ProcessWithPrompt(
        "Answer the questions",
        inputs={"inputs": questions.output["title"]},
        args={
            "llm": gpt_4,
            "instruction": "Explain the answer to the question as you would to a child of five, in a few sentences.",
            "top_p": 1.0,
        },
        outputs={"inputs": "questions", "generations": "answers"},
    )

    splits = answered.splits(train_size=0.90, validation_size=0.10)
    trainer = TrainOpenAIFineTune("Distil GPT-4", model_name=arguments.student)
    trainer.train(
        train_input=splits["train"].output["questions"],
        train_output=splits["train"].output["answers"],
        validation_input=splits["validation"].output["questions"],
        validation_output=splits["validation"].output["answers"],
        epochs=3,
        batch_size=8,
    )
    print("The student:", trainer.model_path)
