"""Bootstrap machine translation: each round translates a shard, and its best pairs become the examples of the next.

A pair is good when the two sentences have similar embeddings. After Patel et al. 2022, "Bidirectional Language Models
Are Also Few-shot Learners" (arXiv 2209.14500), section 3.

    python examples/workflows/bootstrapping_machine_translation.py

Needs: pip install "datadreamer[train]"
"""

import argparse

from datadreamer import DataDreamer
from datadreamer.embedders import SentenceTransformersEmbedder
from datadreamer.llms import OpenAI
from datadreamer.steps import CosineSimilarity, FewShotPrompt, HFHubDataSource, ProcessWithPrompt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rounds", type=int, default=4)
parser.add_argument("--rows", type=int, default=1000, help="sentences of the test set to translate")
parser.add_argument("--output", default="./output/bootstrapping-machine-translation")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    llm = OpenAI(model_name="gpt-4")
    embedder = SentenceTransformersEmbedder(model_name="google/mt5-small")

    english = HFHubDataSource("English sentences", "gsarti/flores_101", config_name="eng", split="dev").select_columns(
        ["sentence"], name="Sentences to translate"
    )
    best = None
    for number in range(arguments.rounds):
        shard = english.shard(num_shards=arguments.rounds, index=number, name=f"Shard of round {number + 1}")
        if best is None:
            translated = ProcessWithPrompt(
                f"Translate in round {number + 1}",
                inputs={"inputs": shard.output["sentence"]},
                args={"llm": llm, "instruction": "Translate the sentence to Tamil. Give nothing else."},
                outputs={"inputs": "english", "generations": "tamil"},
            )
        else:
            translated = FewShotPrompt(
                f"Translate in round {number + 1}",
                inputs={
                    "input_examples": best.output["english"],
                    "output_examples": best.output["tamil"],
                    "inputs": shard.output["sentence"],
                },
                args={
                    "llm": llm,
                    "input_label": "English:",
                    "output_label": "Tamil:",
                    "instruction": "Translate the sentence to Tamil.",
                    "stop": ["\n"],
                },
                outputs={"inputs": "english", "generations": "tamil"},
            )
        similar = CosineSimilarity(
            f"Compare the languages in round {number + 1}",
            inputs={"a": translated.output["english"], "b": translated.output["tamil"]},
            args={"embedder": embedder, "truncate": True},
            outputs={"a": "english", "b": "tamil"},
        )
        best = similar.sort("similarities", reverse=True, name=f"Best first in round {number + 1}").take(
            2, name=f"Examples of round {number + 1}"
        )

    test_set = HFHubDataSource("Test sentences", "gsarti/flores_101", config_name="eng", split="devtest").take(
        arguments.rows
    )
    translations = FewShotPrompt(
        "Translate the test set",
        inputs={
            "input_examples": best.output["english"],
            "output_examples": best.output["tamil"],
            "inputs": test_set.output["sentence"],
        },
        args={
            "llm": llm,
            "input_label": "English:",
            "output_label": "Tamil:",
            "instruction": "Translate the sentence to Tamil.",
            "stop": ["\n"],
        },
        outputs={"inputs": "english", "generations": "tamil"},
    )
    translations.export_to_json(f"{arguments.output}/translations.jsonl")
