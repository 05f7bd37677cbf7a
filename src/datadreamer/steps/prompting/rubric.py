"""Rubrics: criteria as text for a prompt and as a JSON schema, and reading scores out of answers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InvalidArgumentError
from .rank_with_prompt import first_number


class Rubric:
    """Criteria by name, each with what it means, scored on one scale.

    Args:
        who: the subject of error messages.
        criteria: names, or names with descriptions.
        scale: the lowest and the highest score.
        weights: of criteria in the mean; 1 for those that are not named.
    """

    def __init__(
        self,
        who: str,
        criteria: Mapping[str, str] | Sequence[str],
        scale: Sequence[float],
        weights: Mapping[str, float] | None,
    ) -> None:
        self.criteria = dict(criteria) if isinstance(criteria, Mapping) else dict.fromkeys(criteria, "")
        _check(who, self.criteria, scale, weights or {})
        self.lowest, self.highest = scale
        self.weights = {name: (weights or {}).get(name, 1) for name in self.criteria}

    def as_text(self, as_json: bool = False) -> str:
        """The criteria, and how to answer: with lines, or with a JSON object."""
        lines = [f"- {name}: {meaning}" if meaning else f"- {name}" for name, meaning in self.criteria.items()]
        form = ["Answer with these lines and nothing else:", *(f"{name}: <score>" for name in self.criteria)]
        if as_json:
            form = ["Answer with a JSON object from criterion to score, and nothing else."]
        return "\n".join(
            [
                f"Give every criterion a score from {self.lowest} (lowest) to {self.highest} (highest):",
                *lines,
                "",
                *form,
            ]
        )

    def schema(self) -> dict[str, Any]:
        """An answer as a JSON object: criterion to score."""
        score = {"type": "number", "minimum": self.lowest, "maximum": self.highest}
        return {
            "title": "scores",
            "type": "object",
            "properties": dict.fromkeys(self.criteria, score),
            "required": list(self.criteria),
            "additionalProperties": False,
        }

    def read(self, answer: Any) -> dict[str, int | float] | None:
        """The score of every criterion; None where one is missing or off the scale.

        Read from a JSON object, or from lines: the last that has the criterion, then a colon or an equals sign, then a
        number.
        """
        found = {name: self._score(answer, name) for name in self.criteria}
        fit = all(score is not None and self.lowest <= score <= self.highest for score in found.values())
        return found if fit else None  # type: ignore[return-value]

    def _score(self, answer: Any, name: str) -> int | float | None:
        given = answer if isinstance(answer, Mapping) else _json_object(str(answer))
        if given is not None and name in given:
            return first_number(given[name])
        said = re.findall(rf"(?<!\w){re.escape(name)}(?!\w)[^\n:=]*[:=]([^\n]*)", str(answer), re.IGNORECASE)
        numbers = [number for text in said if (number := first_number(text)) is not None]
        return numbers[-1] if numbers else None

    def mean(self, scores: Mapping[str, float]) -> float:
        """The weighted mean."""
        total = math.fsum(self.weights.values())
        return math.fsum(self.weights[name] * score for name, score in scores.items()) / total


def _json_object(text: str) -> dict[str, Any] | None:
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1]) if 0 <= start < end else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _check(who: str, criteria: Mapping[str, str], scale: Sequence[float], weights: Mapping[str, float]) -> None:
    if not criteria or not all(isinstance(name, str) and name.strip() for name in criteria):
        raise InvalidArgumentError(f"{who}: the rubric needs at least one criterion, each with a name.")
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in scale)
    if len(scale) != 2 or not numbers or scale[0] >= scale[1]:
        raise InvalidArgumentError(
            f"{who}: scale is the lowest and the highest score, for example [1, 5], not {scale!r}."
        )
    for name, weight in weights.items():
        if name not in criteria:
            raise InvalidArgumentError(f"{who}: weights names '{name}', which is not a criterion of the rubric.")
        if weight <= 0:
            raise InvalidArgumentError(f"{who}: the weight of '{name}' must be above 0, not {weight}.")
