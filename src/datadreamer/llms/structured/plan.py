"""How one model is asked for one type: in its schema mode, or in words. Made once for all prompts of a call."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from ...errors import InvalidArgumentError, InvalidTypeError
from .dialects import Dialect
from .express import InexpressibleError, express
from .instructions import instruction
from .output_type import OutputType, output_type

if TYPE_CHECKING:
    from ..llm import LLM

logger = logging.getLogger("datadreamer.llms")
REASKS = 2  # how often a faulty answer is asked for again, when nothing is said
_said: set[tuple[str, str]] = set()
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is added to every request, and how its answer is read."""

    wanted: OutputType
    response_format: dict[str, Any] | None  # of the request; None: the type is asked for in words alone
    wrapped: bool = False  # the value stands inside an object
    told: str | None = None  # behind the prompt

    def identity(self) -> dict[str, Any]:
        """What counts of it in the fingerprint of a step, beside the request."""
        return {"type": self.wanted.identity(), "told": self.told}


def plan_for(llm: LLM, given: Any, parameters: Mapping[str, Any]) -> Plan:
    """The plan to ask `llm` for what `output_type=` was given.

    Raises:
        InvalidTypeError, InvalidArgumentError: the type cannot be read, or the call has a `response_format` too.
    """
    if parameters.get("response_format") is not None:
        raise InvalidArgumentError(
            "output_type says what an answer is, so it takes no response_format beside it. Leave out one of the two."
        )
    plan, why = _plan(output_type(given), llm.output_dialect)
    if why:
        _say_once(llm.display_name, why)
    return plan


def reasks(given: Any) -> int:
    """`max_reasks`, checked."""
    if given is None:
        return REASKS
    if isinstance(given, bool) or not isinstance(given, int):
        raise InvalidTypeError(f"'max_reasks' must be an integer, not {given!r}.")
    if given < 0:
        raise InvalidArgumentError(f"'max_reasks' must be at least 0, not {given}.")
    return given


@lru_cache(maxsize=256)
def _plan(wanted: OutputType, dialect: Dialect | None) -> tuple[Plan, str]:
    """The plan, and why the model's own way could not be taken, where it has one."""
    if dialect is None or wanted.kind == "text":
        return Plan(wanted, None, told=instruction(wanted)), ""
    try:
        response_format, wrapped = express(wanted, dialect)
    except InexpressibleError as error:
        json_mode = "json_object" in dialect.forms and wanted.schema.get("type") == "object"
        format = {"type": "json_object"} if json_mode else None
        why = "" if "json_schema" not in dialect.forms else str(error)
        return Plan(wanted, format, told=instruction(wanted)), why
    told = None if dialect.shown else instruction(wanted, response_format)
    return Plan(wanted, response_format, wrapped, told), ""


def _say_once(name: str, why: str) -> None:
    with _lock:
        if (name, why) in _said:
            return
        _said.add((name, why))
    logger.warning("%s: output_type is asked for in words, because its schema mode cannot say it: %s.", name, why)
