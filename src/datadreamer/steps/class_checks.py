"""What a step class may not do, seen when it is defined."""

from __future__ import annotations

import inspect

from .declaration import is_class_variable

# What a step has that a field may be called all the same.
_FREE = {"inputs", "version"}


def refuse_hiding(cls: type, root: type) -> None:
    """A declared field may not take the place of something that every step has.

    Raises:
        AttributeError: it would; names the class and the field.
    """
    for name, annotation in inspect.get_annotations(cls).items():
        hidden = hasattr(root, name) and name not in _FREE and not name.startswith("_")
        if hidden and not is_class_variable(annotation):
            what = f"the method {name}()" if callable(getattr(root, name)) else f"'{name}'"
            raise AttributeError(
                f"{cls.__name__} declares a field '{name}', which would hide {what} of every step. Choose another name."
            )


def refuse_init(cls: type, root: type) -> None:
    """A step's values are bound by its declaration; data sources alone may have an `__init__` of their own.

    Raises:
        AttributeError: the class, or a second base of it, has one.
    """
    homes = [base for base in cls.__mro__ if "__init__" in base.__dict__]
    written_out = any(base.__module__.startswith("datadreamer.") and base is not root for base in homes)
    if homes[0] is not root and not written_out:
        raise AttributeError(
            f"{cls.__name__} overrides __init__, which a step may not: declare fields in the class body, "
            "or register them in setup()."
        )
