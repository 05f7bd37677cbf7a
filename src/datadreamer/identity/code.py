"""What a function or class is: its normalised code, and the values of everything it refers to.

`docs/design/identity.md` has the rules. Nothing here walks into values: a reduction holds them as they are, and the
walk that encodes or shows the reduction goes on from there.
"""

from __future__ import annotations

import importlib
import importlib.util
import operator
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .classes import class_facts
from .names import Chain, Imported, Outside, outside
from .nodes import CodeText, Labeled, Tagged
from .normal import normal_class, normal_function
from .origin import class_name, class_origin, module_origin, origin, public_name, true_module
from .refusal import Refusal
from .source import Definition, find_class, find_function, functions_of
from .values import VERSION_ATTRIBUTE

MISSING = object()


@dataclass(frozen=True, slots=True)
class CodeView:
    """The identity of a function or class, taken once: it encodes and shows as the code itself did at that moment."""

    encoding: bytes
    json: Any


def function_view(function: Any) -> CodeView:
    """The identity of a function, method or callable as it is now.

    Raises:
        CannotIdentifyError: its source, or a value it uses, has no identity.
    """
    from .encoding import encode
    from .views import view

    return CodeView(encode(function), view(function))


def class_view(cls: type) -> CodeView:
    """The identity of a class as it is now: its code, its bases, and what its methods use. See `function_view`."""
    return function_view(cls)


def is_code(value: Any) -> bool:
    """Whether the value is a node of the graph of code: a function, or a class of the user."""
    return isinstance(value, FunctionType) or (isinstance(value, type) and class_origin(value) == "project")


def explicit_version(code: Any) -> str | None:
    """The version given to this very function or class, and not to one it wraps or inherits from."""
    found = getattr(code, "__dict__", {}).get(VERSION_ATTRIBUTE)
    if found is None:
        return None
    wrapped = getattr(code, "__wrapped__", None)
    if not isinstance(code, type) and wrapped is not None and getattr(wrapped, VERSION_ATTRIBUTE, None) == found:
        return None  # functools.wraps copied it
    return str(found)


# --- functions --------------------------------------------------------------------------------------------------------


def reduce_function(function: FunctionType) -> Tagged:
    """A function as its code and the values it refers to; one of an installed package as its name."""
    explicit = explicit_version(function)
    if explicit is not None:
        return Tagged("function", {"name": function.__qualname__, "version": explicit})
    dispatch = vars(function).get("registry") if true_module(function) == "functools" else None
    if dispatch is not None:
        return Tagged("function", {"name": "functools.singledispatch", "cases": list(cases(dispatch))})
    file = function.__globals__.get("__file__")
    if origin(true_module(function), file) != "project":
        return _known_function(function)
    piece = _function_piece(function)
    body: dict[str, Any] = {"code": piece.code}
    _add(body, "defaults", "default of '{}'", _defaults(function))
    cells = _cells(function)
    inside: dict[str, Any] = {}
    uses: dict[str, Any] = {}
    for chain in piece.outside.names:
        if chain[0] in cells:
            _follow(chain, cells[chain[0]], inside)
        else:
            _follow(chain, function.__globals__.get(chain[0], MISSING), uses)
    if "__class__" in cells:  # for super()
        inside["__class__"] = cells["__class__"]
    _add(body, "closure", "closure variable '{}'", inside)
    _add(body, "globals", "global '{}'", uses)
    _add(body, "imports", "import of '{}'", dict(_imports(piece.outside.imports, function.__globals__)))
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None and not any(wrapped is value for value in inside.values()):
        body["wrapped"] = wrapped
    return Tagged("function", body)


def cases(registry: Any) -> Iterator[list[Any]]:
    """The implementations of a `functools.singledispatch` function, in the order of the names of their types."""
    for cls in sorted(registry, key=class_name):
        yield [class_name(cls), registry[cls]]


def _known_function(function: FunctionType) -> Tagged:
    """A function of an installed package, by name; with its closure when it was made inside another."""
    module = true_module(function) or ""
    qualname = function.__code__.co_qualname
    declared = function.__module__
    if isinstance(declared, str) and declared.split(".")[0] == module.split(".")[0]:
        module, qualname = declared, function.__qualname__
    body: dict[str, Any] = {"name": public_name(module, qualname)}
    if "<lambda>" in qualname:
        body["code"] = _function_piece(function).code  # its name is not its own
    if "<locals>" in qualname:
        _add(body, "defaults", "default of '{}'", _defaults(function))
        _add(body, "closure", "closure variable '{}'", _cells(function))
    return Tagged("function", body)


def _add(body: dict[str, Any], key: str, label: str, items: dict[str, Any]) -> None:
    if items:
        body[key] = Labeled(label, items)


def _defaults(function: FunctionType) -> dict[str, Any]:
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    values = function.__defaults__ or ()
    found = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    return {**found, **(function.__kwdefaults__ or {})}


def _cells(function: FunctionType) -> dict[str, Any]:
    """The closure variables that have a value now."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # assigned later in the enclosing function
            continue
    return found


# --- references -------------------------------------------------------------------------------------------------------


def _follow(chain: Chain, value: Any, found: dict[str, Any]) -> None:
    """Add what `chain` refers to: through modules of the user to the first thing that is not a module."""
    if value is MISSING:
        return  # a built-in, or a name that does not exist (yet)
    path = [chain[0]]
    for attribute in chain[1:]:
        if not isinstance(value, ModuleType) or module_origin(value) != "project":
            break
        below = _attribute(value, attribute)
        if below is MISSING:
            break
        value = below
        path.append(attribute)
    found[".".join(path)] = value


def _attribute(module: ModuleType, name: str) -> Any:
    value = getattr(module, name, MISSING)
    if value is MISSING and hasattr(module, "__path__"):
        try:
            return importlib.import_module(f"{module.__name__}.{name}")
        except ImportError:
            return MISSING
    return value


def _imports(imports: tuple[Imported, ...], namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the code imports inside itself from modules of the user. Others count by the names in the code."""
    for item in imports:
        module = _imported_module("." * item.level + item.module, namespace)
        if module is None or module_origin(module) != "project":
            continue
        found: dict[str, Any] = {}
        _follow((item.module or ".", *item.chain), module, found)
        yield from found.items()


def _imported_module(name: str, namespace: dict[str, Any]) -> ModuleType | None:
    """A module of the user, imported now if it was not; None for others and for what does not exist."""
    package = namespace.get("__package__") or str(namespace.get("__name__", "")).rpartition(".")[0]
    try:
        full = importlib.util.resolve_name(name, package)
        if full in sys.modules:
            return sys.modules[full]
        top = importlib.util.find_spec(full.split(".")[0])
        if top is None or origin(full, _file(top)) != "project":
            return None
        return importlib.import_module(full)
    except (ImportError, ValueError):
        return None


def _file(spec: Any) -> str | None:
    if spec.submodule_search_locations:
        return str(next(iter(spec.submodule_search_locations)))
    return spec.origin


# --- classes ----------------------------------------------------------------------------------------------------------


def reduce_class(cls: type) -> Tagged:
    """A class as its code, bases and what its methods use; one that is not the user's as its name.

    The one rule for classes of this package: they count by name, and by the class attribute `version` where there is
    one, so that upgrading the library recomputes a step only when its `version` was raised.
    """
    whose = class_origin(cls)
    body: dict[str, Any] = {"name": class_name(cls)}
    explicit = explicit_version(cls)
    if explicit is None and whose == "library":
        declared = next((vars(base)["version"] for base in cls.__mro__ if "version" in vars(base)), None)
        explicit = str(declared) if isinstance(declared, str | int | float) else None
    if explicit is not None:
        return Tagged("class", {**body, "version": explicit})
    body.update(class_facts(cls))
    if whose == "project":
        _add_code(cls, body)
    return Tagged("class", body)


def _add_code(cls: type, body: dict[str, Any]) -> None:
    bases = [base for base in cls.__bases__ if base is not object]
    if bases:
        body["bases"] = bases
    piece = _class_piece(cls)
    if piece is None:
        if not {"fields", "schema", "members"} & body.keys():
            raise Refusal(
                f"class '{cls.__qualname__}', which has no source that can be read.",
                "It was made by type() or exec(), typed at a prompt or read from standard input.",
                'Define it in a file, or give it the attribute __datadreamer_version__ = "1".',
            )
        return
    body.pop("fields", None)  # the code says it, and more
    body["code"] = piece.code
    namespace = getattr(sys.modules.get(cls.__module__), "__dict__", {})
    cells: dict[str, Any] = {}
    for function in functions_of(cls):
        if piece.definition is not None and piece.definition.holds(function):
            cells.update(_cells(function))
            namespace = function.__globals__
    inside: dict[str, Any] = {}
    uses: dict[str, Any] = {}
    for chain in piece.outside.names:
        if chain[0] in cells:
            _follow(chain, cells[chain[0]], inside)
        else:
            _follow(chain, namespace.get(chain[0], MISSING), uses)
    _add(body, "closure", "closure variable '{}'", inside)
    _add(body, "globals", "global '{}'", uses)
    _add(body, "imports", "import of '{}'", dict(_imports(piece.outside.imports, namespace)))
    _add(body, "attributes", "attribute '{}'", dict(_plain_attributes(cls, piece.assigned)))


def _plain_attributes(cls: type, assigned: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """The constants of a class body as they are now: one may have been set from outside."""
    if issubclass(cls, Enum):
        return
    for name in sorted(assigned):
        value = vars(cls).get(name, MISSING)
        if isinstance(value, str | bytes | int | float | None):
            yield name, value


# --- what was worked out once -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """What the source alone says: it never changes for a code object, while the values it refers to may."""

    code: CodeText
    outside: Outside
    definition: Definition | None = None  # of a class
    assigned: frozenset[str] = frozenset()  # names given a value in the body of a class
    codes: tuple[CodeType, ...] = ()  # of the methods of a class: a notebook may reload them in place


_pieces: dict[int, tuple[weakref.ref[Any], Piece]] = {}


def _remembered(owner: CodeType | type) -> Piece | None:
    entry = _pieces.get(id(owner))
    return entry[1] if entry is not None and entry[0]() is owner else None


def _remember(owner: CodeType | type, piece: Piece) -> Piece:
    key = id(owner)  # code objects compare by value, so they cannot be the keys themselves
    _pieces[key] = (weakref.ref(owner, lambda _: _pieces.pop(key, None)), piece)
    return piece


def _function_piece(function: FunctionType) -> Piece:
    code = function.__code__
    known = _remembered(code)
    if known is not None:
        return known
    node = normal_function(find_function(code, function.__globals__))
    return _remember(code, Piece(CodeText(node), outside(node)))


def _class_piece(cls: type) -> Piece | None:
    codes = tuple(function.__code__ for function in functions_of(cls))
    known = _remembered(cls)
    if known is not None and len(known.codes) == len(codes) and all(map(operator.is_, known.codes, codes)):
        return known
    found = find_class(cls)
    if found is None:
        return None
    node = normal_class(found.node)
    return _remember(cls, Piece(CodeText(node), outside(node), found, frozenset(_assigned(node)), codes))


def _assigned(node: Any) -> Iterator[str]:
    for statement in node.body:
        targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
        for target in targets:
            name = getattr(target, "id", "")
            if name and not (name.startswith("__") and name.endswith("__")):
                yield name
