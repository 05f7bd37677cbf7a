"""`ScoreWithRubric`: score every row by named criteria, by a model as the judge."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ...errors import InvalidArgumentError
from ..fields import setting
from ..rows import Filtered
from .rubric import Rubric
from .unparsed import CHOICES, UnparsedError, check_choice
from .whole_rows import WholeRowStep

CITATION = """@inproceedings{kim2024prometheus,
  title={Prometheus: Inducing Fine-Grained Evaluation Capability in Language Models},
  author={Kim, Seungone and Shin, Jamin and Cho, Yejin and Jang, Joel and Longpre, Shayne and Lee, Hwaran and
    Yun, Sangdoo and Shin, Seongjin and Kim, Sungdong and Thorne, James and Seo, Minjoon},
  booktitle={The Twelfth International Conference on Learning Representations},
  year={2024}
}"""

_COLUMNS = {"rubric_scores": "The score of every criterion.", "scores": "Their mean."}


class ScoreWithRubric(WholeRowStep):
    """Ask a model to score every value of a column by a rubric; the result has all columns of the column's step.

    Two columns are added: `rubric_scores`, a dictionary from criterion to score, and `scores`, their (weighted) mean.
    With `n` above 1 every score is the mean over the answers that could be read. Source: arXiv 2310.08491 (scores by a
    rubric); arXiv 2306.05685, section 3 (a model as the judge).

    Args:
        rubric: criterion to what it means; or the names of the criteria alone.
        scale: the lowest and the highest score.
        weights: criterion to its weight in the mean; 1 for those that are not named.
        structured: ask for the scores as JSON, with a schema that the model is held to where it can be.
        instruction: what stands before the rubric.
        unparsed: what becomes of a row whose answer lacks a criterion, or has a score off the scale: `"fail"` counts it
            as lost, `"drop"` leaves it out, `"keep"` gives it None in both columns.
    """

    rubric: dict[str, str] | list[str]
    scale: list[Any] = setting(default_factory=lambda: [1, 5])
    weights: dict[str, Any] | None = None
    structured: bool = False
    instruction: str = "Judge the input above."
    unparsed: str = CHOICES[0]

    origins: ClassVar[dict[str, str]] = {
        "*": "copied:rows", "rubric_scores": "judged:inputs", "scores": "judged:inputs",
    }  # fmt: skip

    def setup(self) -> None:
        super().setup()
        for name, what in _COLUMNS.items():
            if name in getattr(self._owner, "column_names", ()):
                raise InvalidArgumentError(
                    f"Step '{self.name}': the step that inputs belongs to has a column '{name}' already. "
                    "Give it another name first, with rename_column()."
                )
            self.register_output(name, help=what)
        self.register_data_card("Citation Information", CITATION)

    def check(self) -> None:
        check_choice(self.name, self.unparsed)
        self._rubric = Rubric(f"Step '{self.name}'", self.rubric, self.scale, self.weights)
        self._sums = dict.fromkeys(self._rubric.criteria, 0.0)
        self._scored = 0
        super().check()

    def parameters(self) -> dict[str, Any]:
        given = super().parameters()
        return {"response_format": self._rubric.schema(), **given} if self.structured else given

    def whole_instruction(self, instruction: str) -> str:
        return f"{instruction}\n\n{self._rubric.as_text(self.structured)}"

    def card_prompts(self) -> list[tuple[str, str]]:
        return [*super().card_prompts(), ("rubric", self._rubric.as_text(self.structured))]

    def result(self, values: dict[str, Any], answer: Any, position: int) -> Any:
        found = [self._rubric.read(text) for text in (answer if isinstance(answer, list) else [answer])]
        read = [scores for scores in found if scores is not None]
        if not read:
            if self.unparsed == "fail":
                raise UnparsedError("not every criterion has a score on the scale")
            return Filtered() if self.unparsed == "drop" else {**values, **dict.fromkeys(_COLUMNS)}
        scores = {name: math.fsum(one[name] for one in read) / len(read) for name in self._rubric.criteria}
        for name, score in scores.items():
            self._sums[name] += score
        self._scored += 1
        return {**values, "rubric_scores": scores, "scores": self._rubric.mean(scores)}

    def sum_up(self) -> None:
        if self._scored:
            means = {name: round(total / self._scored, 4) for name, total in self._sums.items()}
            self.register_data_card("Mean scores", {**means, "rows": self._scored})
        super().sum_up()
