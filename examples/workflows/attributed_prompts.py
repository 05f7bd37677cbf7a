"""Ask a model for attributes, then write a varied dataset of movie reviews with every combination of them.

OPENAI_API_KEY=... HF_TOKEN=... python examples/workflows/attributed_prompts.py --namespace my-name
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import DataFromAttributedPrompt, DataSource, Prompt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--namespace", required=True, help="your name on the Hugging Face Hub")
parser.add_argument("--rows", type=int, default=1000)
parser.add_argument("--output", default="./output/attributed-prompts")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    gpt_4 = OpenAI(model_name="gpt-4")

    questions = DataSource(
        "Questions about attributes",
        data={
            "prompts": [
                "Name five fictional directors of movies, as a comma-separated list.",
                "Name five things a movie review talks about, as a comma-separated list.",
                "Name five styles a movie review can be written in, as a comma-separated list.",
            ]
        },
    )
    answers = Prompt("Generate attributes", inputs={"prompts": questions.output["prompts"]}, args={"llm": gpt_4})
    directors, topics, styles = (
        [value.strip() for value in answers.output["generations"][i].split(",")] for i in range(3)
    )

    reviews = DataFromAttributedPrompt(
        "Generate movie reviews",
        args={
            "llm": gpt_4,
            "n": arguments.rows,
            "instruction": (
                "Write a few sentences of a movie review. The movie: one by {director}. What it is about: {topic}. "
                "The style: {style}. Give nothing but the review."
            ),
            "attributes": {"director": directors, "topic": topics, "style": styles},
        },
        outputs={"generations": "reviews"},
    )
    reviews = reviews.select_columns(["reviews", "attributes"]).shuffle(seed=7)
    reviews.publish_to_hf_hub(f"{arguments.namespace}/movie-reviews", train_size=0.90, validation_size=0.10)
