"""Imports that wait until they are needed, and say how to install what is missing."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from .errors import MissingDependencyError


def require(module: str, *, extra: str, needed_for: str) -> ModuleType:
    """Import `module`, or raise `MissingDependencyError` with the `pip install` command that mends it.

    Args:
        module: dotted module name, for example `"transformers"`.
        extra: the extra of this package that installs it, for example `"hf"`.
        needed_for: what the user asked for, as the subject of the message, for example `"HFTransformers"`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        if missing.split(".")[0] != module.split(".")[0]:
            raise  # the package is there but one of its own imports is broken: its own message is the better one
        raise MissingDependencyError(
            f'{needed_for} needs {module}, which is not installed. Install it with: pip install "datadreamer[{extra}]"'
        ) from error


def exports(package: str, table: dict[str, str]) -> tuple[Any, Any, list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package whose names are imported at first use.

    Args:
        package: the package's `__name__`.
        table: public name to the submodule (relative to the package) that defines it.
    """

    def getattr_(name: str) -> Any:
        submodule = table.get(name)
        if submodule is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(f"{package}.{submodule}")
        except AttributeError as error:  # which `from package import name` would take for a name that does not exist
            raise ImportError(f"{package}.{submodule} cannot be imported: {error}") from error
        return getattr(module, name)

    names = sorted(table)
    return getattr_, lambda: names, names
