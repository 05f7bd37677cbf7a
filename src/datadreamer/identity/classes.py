"""Facts about a class that its name or code does not say: the schema of a pydantic model, the members of an enum."""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from .nodes import Labeled
from .origin import class_origin


def is_pydantic(cls: type) -> bool:
    """Whether this is a pydantic model, without importing pydantic."""
    pydantic = sys.modules.get("pydantic")
    model = getattr(pydantic, "BaseModel", None)
    return model is not None and isinstance(cls, type) and issubclass(cls, model) and cls is not model


def json_schema(cls: Any) -> Any:
    """The JSON schema of a pydantic model, which is what a model server is sent; None when it has none."""
    try:
        return cls.model_json_schema()
    except Exception:  # a field of a type without schema: the code of the class still counts
        return None


def class_facts(cls: type) -> dict[str, Any]:
    """What to add to a class beside its name and code."""
    if is_pydantic(cls):
        schema = json_schema(cls)
        return {} if schema is None else {"schema": schema}
    if class_origin(cls) != "project":
        return {}
    if issubclass(cls, Enum):
        return {"members": Labeled("member '{}'", {name: member.value for name, member in cls.__members__.items()})}
    if is_dataclass(cls):
        return {"fields": [[field.name, _type_text(field.type)] for field in fields(cls)]}
    names = getattr(cls, "_fields", None)  # a named tuple
    if issubclass(cls, tuple) and names is not None:
        return {"fields": list(names), "defaults": Labeled("default of '{}'", cls._field_defaults)}  # type: ignore[attr-defined]
    names = getattr(cls, "__struct_fields__", None)  # a msgspec Struct
    if names is not None:
        return {"fields": list(names)}
    if isinstance(getattr(cls, "__required_keys__", None), frozenset):  # a TypedDict
        return {"fields": [[name, _type_text(hint)] for name, hint in cls.__annotations__.items()]}
    return {}


def _type_text(hint: Any) -> str:
    return hint if isinstance(hint, str) else getattr(hint, "__qualname__", None) or str(hint)
