"""Names of steps: what may be one, and how further ones are made from it."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InvalidArgumentError


class DerivedName(str):
    """A name made by the library from a checked one, for example `"Papers (map)"` or `"parent / child"`."""


def checked_name(name: str, kind: str) -> str:
    """`name`, when it can stand in a log line and name a folder.

    Raises:
        InvalidArgumentError: it is empty, or has a slash, a backslash, a line break or another control character.
    """
    if not name.strip():
        raise InvalidArgumentError(f"A {kind}'s name may not be empty.")
    for sign in "/\\":
        if sign in name:
            raise InvalidArgumentError(
                f"The {kind} name {name!r} contains '{sign}', which cannot stand in a folder name. "
                f"Use another sign, for example {name.replace(sign, '-')!r}."
            )
    if any(ord(letter) < 32 for letter in name):
        raise InvalidArgumentError(f"The {kind} name {name!r} contains a line break or another control character.")
    return name


def numbered(base: str) -> Iterator[str]:
    """`base`, then `base #2`, `base #3`, …; an operation's `"name (op)"` becomes `"name (op #2)"`."""
    yield base
    number = 2
    while True:
        yield f"{base[:-1]} #{number})" if base.endswith(")") else f"{base} #{number}"
        number += 1
