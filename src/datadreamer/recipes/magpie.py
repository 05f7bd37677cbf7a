"""`Magpie`: instructions out of nothing, from a chat model that continues the beginning of a user's turn."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..llms import LLM, HFTransformers
from ..steps import DataCardType, DataFromPrompt, Prompt, SuperStep, output

CITATION = """@article{xu2024magpie,
  title={Magpie: Alignment Data Synthesis from Scratch by Prompting Aligned LLMs with Nothing},
  author={Xu, Zhangchen and Jiang, Fengqing and Niu, Luyao and Deng, Yuntian and Poovendran, Radha and Choi, Yejin and
    Lin, Bill Yuchen},
  journal={arXiv preprint arXiv:2406.08464},
  year={2024}
}"""
_MARK = "datadreamer-query"


class Magpie(SuperStep):
    """Draw instructions from a chat model by giving it only the beginning of a user's turn, and let it answer them.

    Source: Xu et al. 2024 (arXiv 2406.08464), section 2.1. The model must be one whose chat template is ours to cut:
    `HFTransformers`; or, with `query_prefix`, any model that continues raw text.

    Args:
        llm: the model that answers, and, through `HFTransformers`, also writes the instructions.
        n: how many instructions are drawn. Empty ones are dropped.
        query_prefix: the text that comes before a user's words, for example
            "<|start_header_id|>user<|end_header_id|>\\n\\n". None: cut out of the model's own chat template.
        writer: the model that continues `query_prefix`, when it is not `llm`: one without a chat template.
        system: system prompt of both turns: it draws instructions towards a subject (section 3.1 of the paper).
        temperature, top_p: for instructions; answers are written at `answer_temperature`.
        answer_temperature: see `temperature`.
        max_query_tokens, max_new_tokens: most tokens of an instruction and of an answer.
        seed: of the draws, where the model takes a seed.

    Raises:
        InvalidArgumentError: the model has no chat template to cut, or `n` is below 1.
    """

    llm: LLM
    n: int
    query_prefix: str | None = None
    writer: LLM | None = None
    system: str | None = None
    temperature: float = 1.0
    top_p: float | None = 1.0
    answer_temperature: float = 0.0
    max_query_tokens: int = 256
    max_new_tokens: int | None = None
    seed: int | None = None

    instructions: str = output(help="The instruction.")
    responses: str = output(help="The model's answer to it.")

    origins: ClassVar[dict[str, str]] = {"instructions": "generated", "responses": "generated"}

    def setup(self) -> None:
        self.register_data_card(DataCardType.CITATION, CITATION)

    def check(self) -> None:
        if self.n < 1:
            raise InvalidArgumentError(f"Step '{self.name}': n must be at least 1, not {self.n}.")
        if self.query_prefix is None and not isinstance(self.llm, HFTransformers):
            raise InvalidArgumentError(
                f"Step '{self.name}': {self.llm.display_name} formats prompts itself, so there is no template to cut. "
                "Use HFTransformers, or give query_prefix= and a writer= that continues raw text."
            )

    def run(self) -> Any:
        prefix = self.query_prefix if self.query_prefix is not None else self._prefix()
        written = DataFromPrompt(
            "Instructions",
            llm=self.writer or _bare(self.llm),
            n=self.n,
            instruction=prefix,
            temperature=self.temperature,
            top_p=self.top_p,
            max_new_tokens=self.max_query_tokens,
            seed=self.seed,
            post_process=_first_turn,
        )
        asked = written.filter(_is_not_empty, lazy=False, name="Instructions that say something")
        answers = Prompt(
            "Answers",
            prompts=asked["generations"],
            llm=_with_system(self.llm, self.system),
            temperature=self.answer_temperature,
            max_new_tokens=self.max_new_tokens,
        )
        return {"instructions": answers.output["prompts"], "responses": answers.output["generations"]}

    def _prefix(self) -> str:
        """What the model's chat template writes before the words of a user."""
        assert isinstance(self.llm, HFTransformers)
        turns = [{"role": "system", "content": self.system}] if self.system else []
        turns.append({"role": "user", "content": _MARK})
        tokenizer = self.llm.tokenizer
        template = getattr(tokenizer, "chat_template", None)
        text = tokenizer.apply_chat_template(turns, tokenize=False) if template else ""
        if _MARK not in text:
            raise InvalidArgumentError(
                f"Step '{self.name}': {self.llm.display_name} has no chat template that shows a user's words. Give "
                "query_prefix=."
            )
        return str(text.partition(_MARK)[0])


def _bare(llm: LLM) -> LLM:
    """The same model, which continues text as it is."""
    bare = copy.copy(llm)
    bare.chat_prompt_template = bare.system_prompt = None
    return bare


def _with_system(llm: LLM, system: str | None) -> LLM:
    if system is None:
        return llm
    told = copy.copy(llm)
    told.system_prompt = system
    return told


def _first_turn(text: str) -> str:
    """The instruction, where the model goes on behind the end of the turn."""
    for end in ("<|", "</s>", "\n\nAssistant:", "\n\nUser:"):
        text = text.partition(end)[0]
    return text.strip()


def _is_not_empty(row: dict[str, Any]) -> bool:
    return bool(row["generations"])
