"""Whose code is this? The one place that decides what is followed by its source and what is known by its name.

| origin      | what                                                    | identity                                    |
|-------------|---------------------------------------------------------|---------------------------------------------|
| `standard`  | the standard library, built-ins                         | module and qualified name                   |
| `installed` | below a `site-packages` or `dist-packages` folder       | module and qualified name                   |
| `library`   | this package                                            | room, qualified name, `version` of a class  |
| `project`   | everything else: the user's own, editable installs too  | source, and whatever the source refers to   |

The top-level import package stands for the distribution: it is the same whichever wheel provides it. Versions of
packages belong to the environment fingerprint.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

Origin = Literal["standard", "installed", "library", "project"]

HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made while the program runs, not compiled into Python
LIBRARY = __name__.split(".")[0]
SITE_FOLDERS = {"site-packages", "dist-packages"}
# where the standard library is; some Pythons freeze a part of it and keep the rest elsewhere
STANDARD_FOLDERS = tuple({str(Path(str(module.__file__)).parent) + os.sep for module in (os, ast, linecache)})


def origin(module: str | None, file: str | None = None) -> Origin:
    """The origin of the module with this name, loaded from this file (looked up among loaded modules if None)."""
    if not module or module in ("__main__", "__mp_main__"):
        return "project"
    if file is None:
        loaded = sys.modules.get(module)
        file = getattr(loaded, "__file__", None)
    return _origin(module, file)


@lru_cache(maxsize=4096)
def _origin(module: str, file: str | None) -> Origin:
    top = module.split(".")[0]
    if top == LIBRARY:
        return "library"
    parts = file.replace("\\", "/").split("/") if isinstance(file, str) else []
    if SITE_FOLDERS.intersection(parts):
        return "installed"
    shadowed = parts and not str(file).startswith(
        STANDARD_FOLDERS
    )  # a file of the user with the name of a standard one
    return "standard" if top in sys.stdlib_module_names and not shadowed else "project"


def module_origin(module: ModuleType) -> Origin:
    """The origin of a module object."""
    return origin(module.__name__, getattr(module, "__file__", None))


def class_origin(cls: type) -> Origin:
    """The origin of a class, by the module it says it was defined in, if that module has it."""
    whose = origin(cls.__module__)
    if whose in ("standard", "installed") and cls.__flags__ & HEAP_TYPE and "<locals>" not in cls.__qualname__:
        found: Any = sys.modules.get(cls.__module__)
        if cls.__module__ == "builtins":  # or of the user, by exec() in a namespace without a name
            return whose if getattr(found, cls.__qualname__, None) is cls else "project"
        if not str(getattr(found, "__file__", "")).endswith(".py"):
            return whose  # a module in C may name its classes as it likes
        for name in cls.__qualname__.split("."):
            found = getattr(found, name, None)
        if found is None:
            return "project"  # made by a factory of that module for the user: dataclasses.make_dataclass
    return whose


def class_name(cls: type) -> str:
    """The name that stands for a class: qualified, and with its module unless it is the user's own.

    The user's own module is left out, because the file a program sits in does not count.
    """
    whose = class_origin(cls)
    if whose == "project":
        return cls.__qualname__
    return public_name(cls.__module__, cls.__qualname__)


def public_name(module: str, qualname: str) -> str:
    """Module and name without the parts that a package may rearrange: private modules, and our own files."""
    top, *rest = module.split(".")
    if top == LIBRARY:
        return ".".join([top, *rest[:1], qualname])
    return ".".join([top, *(part for part in rest if not part.startswith("_")), qualname])


def true_module(function: Any) -> str | None:
    """The module a function's code was written in, which `functools.wraps` does not change."""
    return function.__globals__.get("__name__")
