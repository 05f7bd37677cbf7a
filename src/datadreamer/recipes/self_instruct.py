"""`SelfInstruct`: a few instructions of people become many, each with an example."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any, ClassVar

from ..errors import InvalidArgumentError, StepError
from ..llms import LLM
from ..llms.types import Failure
from ..steps import Column, DataCardType, Step, SuperStep, output
from ..steps.rows import Row
from .recipe import Recipe
from .rouge import RougePool

CITATION = """@inproceedings{wang2023selfinstruct,
  title={Self-Instruct: Aligning Language Models with Self-Generated Instructions},
  author={Wang, Yizhong and Kordi, Yeganeh and Mishra, Swaroop and Liu, Alisa and Smith, Noah A and Khashabi, Daniel and
    Hajishirzi, Hannaneh},
  booktitle={Proceedings of the 61st Annual Meeting of the Association for Computational Linguistics},
  year={2023},
  url={https://arxiv.org/abs/2212.10560}
}"""

_MORE = "Here are tasks for an AI assistant that works with text. Continue the list with new tasks of other kinds.\n\n"
_IS_CLASSIFICATION = (
    "Is this a task of choosing one of a few given labels? Answer with Yes or No.\n\nTask: {instruction}"
)
_INSTANCE = (
    "Write an example of this task: what is given (write 'none' when the task needs nothing more), and the answer to "
    "it.\n\nTask: {instruction}\n\nUse this form, and nothing else:\nInput: ...\nOutput: ..."
)
_LABELLED = (
    "Write an example of this task. Choose one of its labels at random first, and then a given text that has this "
    "label.\n\nTask: {instruction}\n\nUse this form, and nothing else:\nOutput: the label\nInput: ..."
)
_ITEM = re.compile(r"^\s*(?:task\s*)?\d+\s*[.:)]\s*(?P<task>.+)", re.IGNORECASE)
_FIELD = re.compile(r"^\s*(input|output)\s*:\s*", re.IGNORECASE | re.MULTILINE)
_WORD = re.compile(r"\w+")
_IMPOSSIBLE = re.compile(
    r"\b(?:images?|pictures?|photos?|graphs?|videos?|audio|files?|maps?|draw|plot)\b", re.IGNORECASE
)
SHOWN_SEEDS, SHOWN_MADE = 6, 2  # instructions of a prompt, by people and by the model (section 2.2)
AT_ONCE = 8  # prompts of a wave: what they make is compared before the next wave


class SelfInstruct(SuperStep):
    """Make many instructions out of a few, and an example of each: input and output.

    Source: Wang et al. 2023 (arXiv 2212.10560), section 2.2: prompts show six instructions of people and two of the
    model's own; a new one stays when its ROUGE-L with every other is below 0.7, it has 3 to 150 words and does not
    ask for what text cannot do; classification tasks get their label before their input. Prompts are asked in waves
    of eight, so that the result depends on answers alone, and not on which comes first.

    Args:
        seeds: instructions of people, at least two.
        llm: the model.
        n: how many new instructions.
        threshold: ROUGE-L, from 0 to 1, at which two instructions are too similar.
        max_prompts: most prompts for instructions. None: as many as n, and 8 at least.
        temperature: for instructions; examples are written at 0.
        max_new_tokens: most tokens of an answer. None leaves it to the model.
        seed: of the choice of instructions that are shown.

    Raises:
        InvalidArgumentError: there are fewer than two seeds, or a number is out of its range.
        StepError: `max_prompts` were not enough; what was made is kept, and more prompts go on from there.
    """

    seeds: Column[str]
    llm: LLM
    n: int
    threshold: float = 0.7
    max_prompts: int | None = None
    temperature: float = 0.7
    max_new_tokens: int | None = None
    seed: int = 0

    instruction: str = output(help="The instruction.")
    input: str = output(help="What is given; empty when the task needs nothing more.")
    answer: str = output(help="The answer.")
    is_classification: bool = output(help="Whether the task is to choose a label.")

    origins: ClassVar[dict[str, str]] = dict.fromkeys(
        ("instruction", "input", "answer", "is_classification"), "generated"
    )

    def setup(self) -> None:
        self.register_data_card(DataCardType.CITATION, CITATION)

    def check(self) -> None:
        if self.n < 1 or not 0 < self.threshold <= 1 or (self.max_prompts is not None and self.max_prompts < 1):
            raise InvalidArgumentError(
                f"Step '{self.name}': n and max_prompts must be at least 1 and threshold above 0 and at most 1, not "
                f"n={self.n}, max_prompts={self.max_prompts}, threshold={self.threshold}."
            )
        known = getattr(self.inputs["seeds"], "num_rows", None)
        if known is not None and known < 2:
            raise InvalidArgumentError(f"Step '{self.name}' needs at least 2 seeds, and there are {known}.")

    def run(self) -> Any:
        made = NewInstructions(
            "Instructions",
            seeds=self.seeds,
            llm=self.llm,
            n=self.n,
            threshold=self.threshold,
            max_prompts=self.max_prompts,
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
            seed=self.seed,
        )
        return TaskExamples(
            "Examples",
            instructions=made["instruction"],
            llm=self.llm,
            temperature=0.0,
            max_new_tokens=self.max_new_tokens,
        ).output


class NewInstructions(Step):
    """Make new instructions like given ones, each unlike all others (see `SelfInstruct`)."""

    seeds: Column[str]
    llm: LLM
    n: int
    threshold: float = 0.7
    max_prompts: int | None = None
    temperature: float = 0.7
    max_new_tokens: int | None = None
    seed: int = 0

    instruction: str = output(help="The instruction.")

    origins: ClassVar[dict[str, str]] = {"instruction": "generated"}

    def run(self) -> Iterator[Row]:
        seeds = list(self.inputs["seeds"])
        made: list[str] = []
        pool = RougePool(seeds)
        most = self.max_prompts or max(self.n, AT_ONCE)
        for first in range(0, most, AT_ONCE):
            prompts = [self._prompt(seeds, made, number) for number in range(first, min(most, first + AT_ONCE))]
            for outcome in self.llm.outcomes(prompts, **self._sampling()):
                if isinstance(outcome, Failure):
                    continue  # another prompt makes up for it
                for task in _tasks(outcome.text):
                    if len(made) == self.n:
                        return
                    if not _usable(task) or pool.has_like(task, self.threshold):
                        continue
                    pool.add(task)
                    made.append(task)
                    yield Row({"instruction": task}, None, [outcome.key] if outcome.key else [])
        if len(made) < self.n:
            raise StepError(
                f"Step '{self.name}': {most} prompts gave {len(made)} usable instructions of {self.n}. Raise "
                "max_prompts (what was answered is not asked again) or threshold, or give more varied seeds."
            )

    def _prompt(self, seeds: list[str], made: list[str], number: int) -> str:
        dice = random.Random(f"{self.seed}\n{number}")
        shown = dice.sample(seeds, min(len(seeds), SHOWN_SEEDS)) + dice.sample(made, min(len(made), SHOWN_MADE))
        dice.shuffle(shown)
        listed = "\n".join(f"{place}. {' '.join(task.split())}" for place, task in enumerate(shown, 1))
        return f"{_MORE}{listed}\n{len(shown) + 1}."

    def _sampling(self) -> dict[str, Any]:
        given = {"temperature": self.temperature, "max_new_tokens": self.max_new_tokens}
        return {name: value for name, value in given.items() if value is not None}


class TaskExamples(Recipe):
    """Write an example of each task: what is given, and the answer (see `SelfInstruct`)."""

    paper: ClassVar[str | None] = CITATION

    instructions: Column[str]

    instruction: str = output(help="The instruction.")
    input: str = output(help="What is given; empty when the task needs nothing more.")
    answer: str = output(help="The answer.")
    is_classification: bool = output(help="Whether the task is to choose a label.")

    origins: ClassVar[dict[str, str]] = {
        "instruction": "copied:instructions",
        **dict.fromkeys(("input", "answer", "is_classification"), "generated"),
    }

    async def process(self, instructions: str) -> Any:
        verdict = await self.ask(_IS_CLASSIFICATION.format(instruction=instructions))
        labelled = re.search(r"\byes\b", verdict, re.IGNORECASE) is not None
        said = await self.ask((_LABELLED if labelled else _INSTANCE).format(instruction=instructions))
        fields = _fields(said)
        if not fields.get("output") or fields.get("input") == fields["output"]:
            return []  # section 2.2: examples without an answer, or that repeat their input, are dropped
        given = fields.get("input", "")
        given = "" if given.lower().strip(" .<>'\"") in ("none", "noinput") else given
        row = {"instruction": instructions, "input": given, "answer": fields["output"]}
        return {**row, "is_classification": labelled}


def _tasks(text: str) -> list[str]:
    """The tasks of a continued list; the first stands without its number."""
    found = []
    for place, line in enumerate(text.strip().splitlines()):
        item = _ITEM.match(line)
        if item is not None:
            found.append(item["task"].strip())
        elif place == 0 and line.strip():
            found.append(line.strip())
    return found


def _usable(task: str) -> bool:
    words = _WORD.findall(task)
    return 3 <= len(words) <= 150 and _IMPOSSIBLE.search(task) is None and task[0].isalnum()


def _fields(text: str) -> dict[str, str]:
    parts = _FIELD.split(text)  # text, name, value, name, value, …
    return {name.lower(): value.strip() for name, value in zip(parts[1::2], parts[2::2], strict=True)}
