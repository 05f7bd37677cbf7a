"""Values made for being identified: the content of a file, a secret, an explicit version of code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import InvalidArgumentError, InvalidTypeError

Code = TypeVar("Code", bound=Callable[..., Any])

VERSION_ATTRIBUTE = "__datadreamer_version__"


@dataclass(frozen=True, slots=True)
class FileRef:
    """Stands for the content of a file or folder, so that its path need not count.

    Args:
        digest: digest of the content, as made by `datadreamer.ledger.FileDigests`.
        size: bytes. Shown to the reader; the digest alone is the identity.
    """

    digest: str
    size: int


class Secret:
    """A key or password: `str()` and `repr()` hide it, and every secret has the same identity.

    Args:
        value: the secret text, given back by `reveal()` only.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise InvalidTypeError(f"A Secret holds a str, not {type(value).__name__}.")
        self._value = value

    def reveal(self) -> str:
        """The secret text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> Any:
        raise InvalidTypeError("A Secret is never pickled. Read it from its environment variable where it is needed.")


def version(number: str | int) -> Callable[[Code], Code]:
    """Give a function or class an explicit version, which then stands for its code and all it refers to.

    For code that cannot be identified otherwise, or whose edits should not recompute anything:

        @version("2")
        def clean(text): ...

    Args:
        number: change it whenever results would change.
    """
    if isinstance(number, bool) or not isinstance(number, str | int):
        raise InvalidArgumentError(f"A version is a str or an int, not {number!r}. Write for example @version('2').")

    def mark(code: Code) -> Code:
        setattr(code, VERSION_ATTRIBUTE, str(number))
        return code

    return mark
