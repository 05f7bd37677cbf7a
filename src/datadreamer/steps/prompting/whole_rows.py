"""Prompt steps that look at one column, and give whole rows of the step that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ...errors import DataDreamerError, InvalidTypeError
from ...llms.types import Prompt as ModelPrompt
from ..fields import Field
from .process_with_prompt import InstructionStep

CITATION = """@article{zheng2023judging,
  title={Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena},
  author={Zheng, Lianmin and Chiang, Wei-Lin and Sheng, Ying and Zhuang, Siyuan and Wu, Zhanghao and Zhuang, Yonghao
    and Lin, Zi and Li, Zhuohan and Li, Dacheng and Xing, Eric P and others},
  journal={arXiv preprint arXiv:2306.05685},
  year={2023}
}"""


class WholeRowStep(InstructionStep):
    """An instruction over a column, by a model as the judge; the result has all columns of the column's step.

    Source: arXiv 2306.05685, section 3.
    """

    model_role: ClassVar[str] = "judged-by"
    origins: ClassVar[dict[str, str]] = {"*": "copied:rows"}

    def setup(self) -> None:
        super().setup()
        column = self._given_inputs.get("inputs", self._given.get("inputs"))
        owner = getattr(getattr(column, "step", None), "output", None)
        self._owner: Any = column if owner is None else owner
        for name in getattr(self._owner, "column_names", ["inputs"]):
            self.register_output(name)
        self.register_data_card("Citation Information", CITATION)

    def check(self) -> None:
        super().check()
        if not hasattr(self._owner, "column_names"):
            raise InvalidTypeError(f"Step '{self.name}': inputs must be a column of another step.")
        self._asked: str = self.inputs.column_names[0]  # type: ignore[union-attr]
        self._declaration.add(Field("rows", "rows", help="All columns of the step that inputs belongs to."))
        self._inputs["rows"] = self._owner

    def empty_input(self, values: Mapping[str, Any]) -> str | None:
        return "inputs" if values.get(self._asked) is None else None

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        columns = self._owner.column_names
        for asked, row in zip(self.cells(), self._owner, strict=True):
            _, prompt = self.question(asked, self.layout)
            yield (row if len(columns) > 1 or isinstance(row, dict) else {columns[0]: row}), prompt
