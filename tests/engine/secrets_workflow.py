"""A workflow full of planted secrets: in rows, prompts, settings, answers, errors, a model's folder, a system prompt.

python secrets_workflow.py OUTPUT SERVER_URL MODEL_FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import Column, DataSource, Prompt, Step, output
from datadreamer.trainers import TrainHFFineTune

OUTPUT, URL, MODEL = sys.argv[1:]
KNOWN = os.environ["MY_SERVICE_API_KEY"]
ARGUMENT = os.environ["PLANTED_ARGUMENT"]  # a key that is known because it was given as one
SHAPED = "sk-proj-" + "Ab3dEf6hIj9kLm2nOp5q"
LOGIN = "https://alice:pa55w0rd-of-alice@example.org/path"
QUERY = "https://example.org/v1?api_key=q1w2e3r4t5y6u7"
HOME = str(Path.home() / "papers")
EVERYTHING = f"{KNOWN} and {SHAPED}, {LOGIN}, {QUERY}, {HOME}, {ARGUMENT}"


class Fails(Step):
    """Quotes everything in its error."""

    text: Column[str]
    note: str = EVERYTHING
    length: int = output()

    def setup(self) -> None:
        self.register_data_card("Links", EVERYTHING)

    def process(self, text: str) -> dict[str, Any]:
        self.logger.info("Working with %s", EVERYTHING)
        if text.startswith("1"):
            raise ValueError(f"could not open {text} {EVERYTHING}")
        return {"length": len(text)}


class Nested(Step):
    """Has everything deep inside."""

    text: Column[str]
    deep: Any = output()
    raw: bytes = output()

    def process(self, text: str) -> dict[str, Any]:
        return {"deep": [{"texts": [text, EVERYTHING]}], "raw": EVERYTHING.encode()}


with DataDreamer(OUTPUT, verbose=True):
    llm = OpenAI(
        "m", base_url=URL, api_key=ARGUMENT, system_prompt=f"Use {EVERYTHING}", default_headers={"X-Key": KNOWN}
    )
    texts = DataSource("Texts", {"text": [f"{number} {EVERYTHING}" for number in range(4)]})
    asked = Prompt("Ask", inputs={"prompts": texts.output["text"]}, args={"llm": llm})
    Fails("Fails", text=asked["generations"])
    Nested("Nested", text=texts["text"])
    pairs = DataSource("Pairs", {"q": [f"what colour {EVERYTHING}"] * 4, "a": ["red"] * 4})
    lazy = pairs.map(lambda row: {"q": row["q"] + EVERYTHING}, name="Lazy")
    trainer = TrainHFFineTune("Train", MODEL, device="cpu", system_prompt=EVERYTHING, chat_prompt_template="{{prompt}}")
    trainer.train(lazy.output["q"], lazy.output["a"], epochs=1, batch_size=2)
    raise RuntimeError(f"at last {EVERYTHING}")
