"""What `output_type` means for a prompt step: typed columns, the text beside them, and what counts."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.types as pt

from ...errors import InvalidArgumentError, InvalidTypeError
from ...llms.structured.asking import request_parameters
from ...llms.structured.output_type import OutputType, output_type
from ...llms.structured.plan import plan_for, reasks
from ..fields import Field
from .column_types import column_type

if TYPE_CHECKING:
    from .base import PromptStep

# what post_process may have made on purpose, and a column holds as it is
_TIMES = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
_KEPT = (bytes, bytearray, *_TIMES, decimal.Decimal, uuid.UUID)


class TypedAnswers:
    """The `output_type` of one step.

    Attributes:
        raw: the column that keeps the texts; None where the step keeps no answers (it gives whole rows).
    """

    def __init__(self, step: PromptStep, given: Any, unpack: bool) -> None:
        self._who = f"Step '{step.name}'"
        try:
            self.type: OutputType = output_type(given)
        except (InvalidTypeError, InvalidArgumentError) as error:
            raise type(error)(f"{self._who}: {error}") from None
        outputs = step._declaration.outputs
        self.column = next((name for name in outputs if step.origins.get(name) == "generated"), None)
        self.raw = None if self.column is None else f"raw_{self.column}"
        self.fields = self._fields(step) if unpack else []
        self._registered: dict[str, Field] = {}
        self._types: dict[str, pa.DataType] = {}  # of one answer, where it is known

    def _fields(self, step: PromptStep) -> list[str]:
        """The columns that take the place of `generations`."""
        schema, others = self.type.schema, set(step._declaration.outputs) - {"generations"}
        names = list(schema.get("properties", {})) if schema.get("type") == "object" else []
        if not names or self.column != "generations" or step._given.get("post_process") is not None:
            raise InvalidArgumentError(
                f"{self._who}: unpack=True makes columns of the fields of generations, so it takes an output_type with "
                "fields (a pydantic model, a dataclass, …), a step with that column, and no post_process."
            )
        for name in names:
            if name in others or name == self.raw:
                raise self._taken(name)
        return names

    def _taken(self, name: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{self._who}: unpack=True makes a column '{name}' of the field of output_type, and the result has "
            "a column of that name. Give the field another name, or leave out unpack."
        )

    # --- columns ------------------------------------------------------------------------------------------------------

    def register(self, step: PromptStep) -> None:
        """Declare the columns, in `setup()`."""
        if self.column is None or self.raw is None:
            return
        if self.fields:
            del step._declaration.outputs[self.column]
        for name in self.fields:
            step.register_output(name, help=self.type.schema["properties"][name].get("description"))
            self._registered[name] = step._declaration.outputs[name]
        step.register_output(self.raw, help="The answers, as the model wrote them.")

    def in_place(self, names: Sequence[str]) -> list[str]:
        """Names of columns with the fields where `generations` would stand."""
        return [one for name in names for one in (self.fields if self.fields and name == self.column else [name])]

    def settle(self, step: PromptStep, n: int) -> None:
        """Declare types and origins, when all settings are known."""
        if self.column is None or self.raw is None:
            return
        for name, field in self._registered.items():
            if step._declaration.outputs[name] is not field:  # the step has registered its own since
                raise self._taken(name)
        generated = dict.fromkeys((*self.fields, self.raw), "generated")
        step.origins = {**step.origins, **generated}  # type: ignore[misc]
        if self.column != "generations":
            return  # of a judge: how many answers stand in a row depends on its orders, and on other judges
        schemas = {} if step.post_process is not None else {self.column: self.type.schema}
        if self.fields:
            schemas = {name: self.type.schema["properties"][name] for name in self.fields}
        try:
            types = {name: column_type(schema, name if self.fields else "") for name, schema in schemas.items()}
        except InvalidTypeError as error:
            raise InvalidTypeError(
                f"{self._who}: {error}. Change output_type, or give a post_process that makes one of them."
            ) from None
        self._types = {name: found for name, found in types.items() if found is not None and not pt.is_null(found)}
        outputs: dict[str, Field] = step._declaration.outputs
        for name, found in {**self._types, self.raw: pa.string()}.items():
            outputs[name] = replace(outputs[name], annotation=pa.list_(found) if n > 1 else found)

    # --- asking -------------------------------------------------------------------------------------------------------

    def plan(self, step: PromptStep, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """`parameters` as every request of the step has them; what counts beside them is kept for `identity()`."""
        rest = {name: value for name, value in parameters.items() if name not in ("output_type", "max_reasks")}
        plan = self._plan = plan_for(step.llm, self.type, rest)
        counted = {"output_type": plan.identity(), "max_reasks": reasks(parameters.get("max_reasks"))}
        self.counted = {**counted, "unpack": True} if self.fields else counted
        return request_parameters(plan, rest)

    def card_prompts(self) -> list[tuple[str, str]]:
        """What the model is told about the type, or the shape that its service is sent, for the card."""
        told, format = self._plan.told, self._plan.response_format
        if told is not None:
            return [("output type", told)]
        return [] if format is None else [("output type", msgspec.json.encode(format).decode())]

    # --- rows ---------------------------------------------------------------------------------------------------------

    def stored(self, row: Mapping[str, Any], before: Mapping[str, Any], texts: Any, processed: bool) -> dict[str, Any]:
        """A row as columns hold it: values as plain data, the texts beside them.

        Args:
            row: what `result()` gave.
            before: what the row started with, which is left alone.
            texts: the text of the answer; a list of them where n > 1.
            processed: the values come from post_process.
        """
        found = {
            name: value if name in before and before[name] is value else plain_data(value, not processed)
            for name, value in row.items()
        }
        if self.fields:
            answer = found.pop(self.column)  # type: ignore[arg-type]
            several = isinstance(answer, list)
            for name in self.fields:
                found[name] = [one.get(name) for one in answer] if several else answer.get(name)
        for name, kind in self._types.items():
            if pt.is_nested(kind):
                several = isinstance(texts, list)
                found[name] = [fitted(one, kind) for one in found[name]] if several else fitted(found[name], kind)
        if self.raw is not None:
            found[self.raw] = texts
        return found


def plain_data(value: Any, deep: bool) -> Any:
    """Instances as dictionaries, members of an Enum as their values; if `deep`, dates and decimals as JSON has them."""
    if value is None or isinstance(value, str | int | float):
        return getattr(value, "value", value)
    try:
        return msgspec.to_builtins(value, enc_hook=_dumped, builtin_types=None if deep else _KEPT)
    except (TypeError, NotImplementedError, msgspec.MsgspecError):
        return value  # an image, an array: what post_process has made


def fitted(value: Any, kind: pa.DataType) -> Any:
    """`value` with the fields of `kind` alone: a schema lets others in unless it says no, and a column does not."""
    if value is None:
        return None
    if pt.is_struct(kind):
        return {field.name: fitted(value.get(field.name), field.type) for field in kind}
    if pt.is_list(kind) and pt.is_nested(kind.value_type):
        return [fitted(item, kind.value_type) for item in value]
    return value


def _dumped(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise NotImplementedError
    return dump(mode="json", by_alias=True)
