"""Every documented name, argument and default of the published interface is there; what differs, differs on purpose."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

TABLE = (Path(__file__).parent / "golden" / "published_surface.txt").read_text(encoding="utf-8").splitlines()
CHOSEN_BY_US = {"AUTO", "DEFAULT", "DEFAULT_BATCH_SIZE"}  # sentinels, whose value was never said
# Argument: the default that was published, and ours.
CHANGED = {
    "top_p": ("0.0", None),  # left to the model: 0 makes temperature mean nothing
    "batch_size": ("10", None),  # adapts
    "adaptive_batch_size": ("False", True),
    "loss_type": ("'kto_pair'", "sigmoid"),
}
NOW_OPTIONAL = ("validation_", "max_new_tokens")


def resolved(where: str) -> Any:
    room, _, path = where.partition(":")
    owner, *rest = path.split(".")
    home = importlib.import_module(room)
    if not hasattr(home, owner):
        home = importlib.import_module("datadreamer.steps.data_card" if owner == "sort_data_card" else f"{room}.step")
    found = getattr(home, owner)
    return getattr(found, rest[0]) if rest else found


@pytest.mark.parametrize("line", TABLE, ids=lambda line: line.partition("(")[0])
def test_a_published_signature_is_kept(line: str) -> None:
    where, _, arguments = line.partition("(")
    found = resolved(where)
    if isinstance(found, property):
        return
    have = {name: parameter for name, parameter in inspect.signature(found).parameters.items() if name != "self"}
    takes_more = any(parameter.kind == parameter.VAR_KEYWORD for parameter in have.values())
    published = ast.parse(f"def f({arguments}: pass").body[0].args  # type: ignore[attr-defined]
    defaults = [None] * (len(published.args) - len(published.defaults)) + published.defaults
    for argument, default in zip(published.args, defaults, strict=True):
        assert argument.arg in have or takes_more, f"{argument.arg} is not taken"
        if argument.arg in have:
            check_default(argument.arg, default, have[argument.arg].default)
    in_order = [name for name, parameter in have.items() if parameter.kind == parameter.POSITIONAL_OR_KEYWORD]
    wanted = [argument.arg for argument in published.args if argument.arg in in_order]
    assert [name for name in in_order if name in wanted] == wanted, "their order has changed"


def check_default(name: str, published: ast.expr | None, ours: Any) -> None:
    if published is None:
        assert ours is inspect.Parameter.empty or name.startswith(NOW_OPTIONAL), f"{name} was required"
        return
    text = ast.unparse(published)
    if text not in CHOSEN_BY_US and (text, ours) != CHANGED.get(name):
        assert ast.literal_eval(text) == ours, f"{name} was {text} and is {ours!r}"
