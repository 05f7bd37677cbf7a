"""Arrow types, as their text, in the words of Croissant."""

from __future__ import annotations

import re
from typing import Any

_LIST = re.compile(
    r"(?:large_)?list(?:_view)?<[^:<>]+: (?P<item>.*)>$|fixed_size_list<[^:<>]+: (?P<fixed>.*)>\[(?P<n>\d+)\]$"
)

_TYPES = {
    "bool": "sc:Boolean",
    "double": "cr:Float64",
    "float": "cr:Float32",
    "halffloat": "cr:Float16",
    **{f"{sign}int{bits}": f"cr:{sign.upper()}Int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def croissant_field(name: str, arrow: str, parent: str, holder: dict[str, Any], way: str = "") -> dict[str, Any]:
    """A Croissant field for one column, or for one member of a structure inside a column.

    Args:
        name: of the column or member.
        arrow: its Arrow type as text, for example `"list<item: double>"`.
        parent: the id of the record set or field it belongs to.
        holder: the file or set of files it is read from, as a reference.
        way: for a member, the JSON path from the column to it.
    """
    inner, shape = _items(arrow)
    field: dict[str, Any] = {"@type": "cr:Field", "@id": f"{parent}/{name}", "name": name}
    if shape:
        field |= {"isArray": True, "arrayShape": ",".join(shape)}
    members = struct_members(inner)
    if members:
        top = way or name
        field["subField"] = [
            croissant_field(key, type_, field["@id"], holder, f"{top}.{key}") for key, type_ in members
        ]
        return field
    field["dataType"] = croissant_type(inner)
    if holder:
        column, _, path = way.partition(".")
        field["source"] = {**holder, "extract": {"column": column or name}}
        if path:
            field["source"]["transform"] = {"jsonPath": path}
    return field


def croissant_type(arrow: str) -> str:
    """The Croissant name of a scalar type; text for what it has no word for."""
    if arrow.startswith("timestamp"):
        return "sc:DateTime"
    if arrow.startswith("date"):
        return "sc:Date"
    if arrow.startswith("time"):
        return "sc:Time"
    if arrow.startswith("decimal"):
        return "sc:Float"
    return _TYPES.get(arrow, "sc:Text")


def struct_members(arrow: str) -> list[tuple[str, str]]:
    """`("a", "string"), ("b", "int64")` of `struct<a: string, b: int64>`; empty for any other type."""
    if not (arrow.startswith("struct<") and arrow.endswith(">")):
        return []
    members = []
    for member in _split(arrow.removeprefix("struct<").removesuffix(">")):
        name, _, type_ = member.partition(": ")
        members.append((name, type_.removesuffix(" not null")))
    return members


def _items(arrow: str) -> tuple[str, list[str]]:
    shape: list[str] = []
    while match := _LIST.match(arrow.removesuffix(" not null")):
        shape.append(match["n"] or "-1")
        arrow = match["item"] or match["fixed"]
    return arrow.removesuffix(" not null"), shape


def _split(text: str) -> list[str]:
    """Cut at the commas that are not inside brackets of any kind."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "<[(") - (character in ">])")
        if character == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()] if text.strip() else []
