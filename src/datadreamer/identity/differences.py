"""The first thing that differs between two views: the answer to "why does this step run again?"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from .refusal import join_path

# the parts of a step's view, most telling first, and the kind of change each one means
KINDS = {
    "type": "code",
    "code": "code",
    "settings": "setting",
    "models": "model",
    "inputs": "input",
    "outputs": "setting",
    "environment": "environment",
    "forced": "forced",
    "corrupt": "corrupt",
}
ORDER = {name: position for position, name in enumerate(KINDS)}
SHOWN = 120


class _Absent:
    """What stands on the side of a comparison that has nothing there."""

    def __repr__(self) -> str:
        return "(nothing)"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf that differs.

    Attributes:
        path: where, for example `settings["max_words"]`, `settings["clean"] → global 'LIMIT'` or `data["files"][0]`.
        old: what it was; None when it was not there. For code, its normalised source.
        new: what it is; None when it is gone.
        kind: `code`, `setting`, `input`, `model`, `environment`, `forced` or `corrupt`.
        change: `changed`, `added` (nothing was there) or `removed`.
    """

    path: str
    old: Any
    new: Any
    kind: str
    change: str = "changed"

    def __str__(self) -> str:
        old, new = self.old, self.new
        if self.kind == "code" and isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
            old, new = _first_line(old, new)
        if self.change == "added":
            return f"{self.kind}: {self.path} is new: {_short(new, new)}"
        if self.change == "removed":
            return f"{self.kind}: {self.path} is gone; it was {_short(old, old)}"
        return f"{self.kind}: {self.path} changed from {_short(old, new)} to {_short(new, old)}"


def first_difference(old: Any, new: Any) -> Difference | None:
    """The first leaf in which two views (made by `view`, perhaps read back from JSON) differ; None when none does.

    The parts of a step are compared in the order type, code, settings, models, inputs, outputs; anything inside a
    function or class is of kind `code`, anything else of the kind of its part. The rows of a data source, which it
    counts by their content among its settings, are an input all the same.
    """
    for place, part, left, right in _differences(old, new, [], "setting"):
        path, kind = (["data", *place[2:]], "input") if _is_data(old, place) else (place, part)
        return Difference(
            join_path(path) or "the value",
            None if left is ABSENT else left,
            None if right is ABSENT else right,
            kind,
            "added" if left is ABSENT else "removed" if right is ABSENT else "changed",
        )
    return None


Found = tuple[list[str], str, Any, Any]
DATA = (['["settings"]', '["content"]'], {'["digest"]', '["files"]', '["commit"]'})


def _is_data(view: Any, path: list[str]) -> bool:
    """Whether a path leads to what a data source of this library read, and not to how it read it."""
    of_ours = isinstance(view, dict) and str(view.get("type")).startswith("datadreamer.")
    return of_ours and path[:2] == DATA[0] and path[2:3] != [] and path[2] in DATA[1]


def _differences(old: Any, new: Any, path: list[str], kind: str) -> Iterator[Found]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _in_dicts(old, new, path, kind)
    elif isinstance(old, list) and isinstance(new, list):
        for index, (left, right) in enumerate(zip_longest(old, new, fillvalue=ABSENT)):
            yield from _differences(left, right, [*path, f"[{index}]"], kind)
    elif type(old) is not type(new) or repr(old) != repr(new):  # repr: 0.0 and -0.0 differ
        yield path, kind, old, new


def _in_dicts(old: dict[str, Any], new: dict[str, Any], path: list[str], kind: str) -> Iterator[Found]:
    if "sha256" in old and "sha256" in new:
        yield from _in_digests(old, new, path, kind)
    elif "$code" in old and "$code" in new:
        yield from _in_code(old["$code"], new["$code"], path)
    elif "$object" in old and "$object" in new:
        (kind_before, before), (kind_after, after) = old["$object"], new["$object"]
        yield from _differences(kind_before, kind_after, [*path, "its type"], kind)
        yield from _differences(before, after, path, kind)
    elif "$dict" in old and "$dict" in new:
        for (key, left), (other, right) in zip_longest(old["$dict"], new["$dict"], fillvalue=(ABSENT, ABSENT)):
            yield from _differences(key, other, [*path, "[key]"], kind)
            yield from _differences(left, right, [*path, f"[{key!r}]"], kind)
    else:
        for key in sorted(old.keys() | new.keys(), key=lambda key: (0 if path else ORDER.get(key, len(ORDER)), key)):
            left, right = old.get(key, ABSENT), new.get(key, ABSENT)
            below = kind if path else KINDS.get(key, kind)
            step = [] if key.startswith("$") else [f'["{key}"]']
            yield from _differences(left, right, [*path, *step], below)


def _in_digests(old: dict[str, Any], new: dict[str, Any], path: list[str], kind: str) -> Iterator[Found]:
    """Long texts, bytes and code: equal by digest, told apart by what is shown of them."""
    if old["sha256"] == new["sha256"]:
        return
    shown = next(key for key in old if key.startswith("$"))
    left, right = old[shown], new.get(shown)
    if left == right:
        left, right = old["sha256"], new["sha256"]
    yield path, "code" if shown == "$source" else kind, left, right


# places inside a function or class, as a path names them
PLACES = {
    "defaults": "default of '{}'",
    "closure": "closure variable '{}'",
    "globals": "global '{}'",
    "imports": "import of '{}'",
    "attributes": "attribute '{}'",
    "members": "member '{}'",
}


def _in_code(old: list[Any], new: list[Any], path: list[str]) -> Iterator[Found]:
    left: Any
    right: Any
    for left, right in zip_longest(old, new, fillvalue=ABSENT):
        if left is ABSENT or right is ABSENT:
            yield [*path, "what it uses"], "code", left, right
            continue
        here = [*path, *([left["at"]] if left["at"] else [])]
        before, after = _body(left), _body(right)
        for key in sorted(before.keys() | after.keys(), key=lambda key: (key != "code", key)):
            one, two = before.get(key, ABSENT), after.get(key, ABSENT)
            if key in PLACES:
                yield from _in_place(PLACES[key], one, two, here)
            else:
                yield from _differences(one, two, [*here, "its code" if key == "code" else f"its {key}"], "code")


def _in_place(label: str, old: Any, new: Any, path: list[str]) -> Iterator[Found]:
    before = {} if old is ABSENT else old
    after = {} if new is ABSENT else new
    for name in sorted(before.keys() | after.keys()):
        step = [*path, label.format(name)]
        yield from _differences(before.get(name, ABSENT), after.get(name, ABSENT), step, "code")


def _body(node: dict[str, Any]) -> dict[str, Any]:
    """What a node of code is made of, whether it is a function or a class."""
    body: Any = next((item for key, item in node.items() if key.startswith("$")), {})
    return body if isinstance(body, dict) else {"value": body}


# --- sentences --------------------------------------------------------------------------------------------------------


def _first_line(old: str, new: str) -> tuple[str, str]:
    for left, right in zip_longest(old.splitlines(), new.splitlines(), fillvalue=""):
        if left != right:
            return left.strip(), right.strip()
    return old, new


def _short(value: Any, other: Any) -> str:
    """A value in a sentence: a long text from a little before the place where it begins to differ."""
    if isinstance(value, str) and isinstance(other, str) and len(value) > SHOWN:
        pairs = enumerate(zip(value, other, strict=False))
        same = next((i for i, (one, two) in pairs if one != two), min(len(value), len(other)))
        start = max(0, same - SHOWN // 3)
        piece = value[start : start + SHOWN]
        return ("…" if start else "") + repr(piece) + ("…" if start + SHOWN < len(value) else "")
    text = repr(value)
    return text if len(text) <= 2 * SHOWN else text[: 2 * SHOWN] + "…"
