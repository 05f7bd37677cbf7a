"""Values of the standard library: each type with what stands for it. Subclasses are not taken for their base."""

from __future__ import annotations

import _thread
import array
import collections
import datetime
import decimal
import fractions
import functools
import logging
import operator
import random
import re
import string
import types
import uuid
from collections.abc import Callable
from typing import Any

from .nodes import Labeled
from .values import FileRef, Secret


def _moment(value: Any) -> Any:
    return [value.isoformat(), value.fold, getattr(value.tzinfo, "key", None)]  # the key of a zoneinfo.ZoneInfo


def _partial(value: Any) -> Any:
    return {"function": value.func, "arguments": list(value.args), "keywords": Labeled("argument '{}'", value.keywords)}


def _parts(value: Any) -> Any:
    return list(value.__reduce__()[1])


def _attributes(value: Any) -> Any:
    return Labeled("attribute '{}'", vars(value))


# type -> (tag, what is encoded under the tag)
KINDS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    FileRef: ("file", lambda value: value.digest),
    Secret: ("secret", lambda value: None),
    type(Ellipsis): ("ellipsis", lambda value: None),
    type(NotImplemented): ("notimplemented", lambda value: None),
    range: ("range", lambda value: [value.start, value.stop, value.step]),
    slice: ("slice", lambda value: [value.start, value.stop, value.step]),
    datetime.datetime: ("datetime", _moment),
    datetime.time: ("time", _moment),
    datetime.date: ("date", lambda value: value.isoformat()),
    datetime.timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    datetime.timezone: ("timezone", lambda value: value.utcoffset(None)),
    decimal.Decimal: ("decimal", str),
    fractions.Fraction: ("fraction", lambda value: [value.numerator, value.denominator]),
    uuid.UUID: ("uuid", lambda value: value.bytes),
    re.Pattern: ("regex", lambda value: [value.pattern, value.flags]),
    string.Template: ("template", lambda value: value.template),
    array.array: ("sequence", lambda value: [value.typecode, value.tolist()]),
    collections.deque: ("deque", lambda value: [list(value), value.maxlen]),
    collections.Counter: ("counter", dict),
    collections.defaultdict: ("defaultdict", lambda value: [value.default_factory, dict(value)]),
    collections.ChainMap: ("chainmap", lambda value: value.maps),
    types.SimpleNamespace: ("namespace", _attributes),
    random.Random: ("random", lambda value: list(value.getstate())),
    logging.Logger: ("logger", lambda value: value.name),
    _thread.LockType: ("lock", lambda value: None),
    _thread.RLock: ("lock", lambda value: None),
    functools.partial: ("partial", _partial),
    functools.partialmethod: ("partialmethod", _partial),
    functools._lru_cache_wrapper: ("cached", lambda value: value.__wrapped__),
    operator.itemgetter: ("itemgetter", _parts),
    operator.attrgetter: ("attrgetter", _parts),
    operator.methodcaller: ("methodcaller", lambda value: _method_call(value.__reduce__())),
    property: ("property", lambda value: [value.fget, value.fset, value.fdel]),
    staticmethod: ("staticmethod", lambda value: value.__func__),
    classmethod: ("classmethod", lambda value: value.__func__),
    types.MethodType: ("method", lambda value: {"function": value.__func__, "object": value.__self__}),
}


def _method_call(reduced: Any) -> Any:
    """`methodcaller` gives (class, (name, *args)), or a partial of the class when it has keywords."""
    made, arguments = reduced[:2]
    if isinstance(made, functools.partial):
        return [[*made.args, *arguments], made.keywords]
    return [list(arguments), {}]
