"""Finding the syntax tree of a function or class that exists in memory.

A function is found by its position in its file, and what is found is compiled again and compared with what is in
memory: a file that was edited while the program runs is noticed, instead of giving the function another's identity.
"""

from __future__ import annotations
import __future__

import ast
import linecache
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import PurePath
from types import CodeType, FunctionType
from typing import Any

from .normal import Function, canonical_text, normal_class, normal_function
from .refusal import Refusal

COMMAND = "<string>"  # the file name of `python -c`, and of much else that was compiled from a string
FUTURE_FLAGS = __future__.annotations.compiler_flag  # the only one that is not mandatory yet

NO_SOURCE_CURE = (
    'Three ways out: (1) define it in a file; (2) mark it with @datadreamer.identity.version("1"), and raise the '
    "version when results would change; (3) pass a function that is in a file, with functools.partial for what varies."
)


@dataclass(slots=True)
class Parsed:
    """A file as a syntax tree, with its functions by first line and its classes by qualified name."""

    text: str
    flags: int
    filename: str
    tree: ast.Module
    functions: dict[int, list[Function]] = field(default_factory=lambda: defaultdict(list))
    classes: dict[str, list[ast.ClassDef]] = field(default_factory=lambda: defaultdict(list))
    _codes: dict[int, list[CodeType]] | None = None

    def codes(self, line: int) -> list[CodeType]:
        """The code objects that begin on this line when the text is compiled here and now."""
        if self._codes is None:
            self._codes = defaultdict(list)
            flags = self.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            pending = [compile(self.text, self.filename, "exec", flags, dont_inherit=True)]
            while pending:
                code = pending.pop()
                self._codes[code.co_firstlineno].append(code)
                pending.extend(const for const in code.co_consts if isinstance(const, CodeType))
        return self._codes.get(line, [])


# --- files ------------------------------------------------------------------------------------------------------------


def text_of(filename: str, namespace: dict[str, Any]) -> str:
    """The text of a source file, notebook cell or prompt entry; empty when there is none."""
    if filename == COMMAND:
        return _command() if namespace is getattr(sys.modules.get("__main__"), "__dict__", None) else ""
    lines = linecache.getlines(filename, namespace)
    if not lines:  # a script started by a relative path, after a change of folder
        file = namespace.get("__file__")
        if isinstance(file, str) and PurePath(file).name == PurePath(filename).name:
            lines = linecache.getlines(file, namespace)
    return "".join(lines)


def _command() -> str:
    """The program that was given as `python -c`; empty when there is none."""
    if sys.argv[:1] != ["-c"]:
        return ""
    options = iter(sys.orig_argv[1:])
    found = any(option.startswith("-") and option.endswith("c") for option in options)
    return next(options, "") if found else ""


@lru_cache(maxsize=256)
def parse(text: str, filename: str, flags: int) -> Parsed | None:
    """The parsed file, or None when it is not Python."""
    try:
        tree = ast.parse(text, filename)
    except (SyntaxError, ValueError):
        return None
    parsed = Parsed(text, flags, filename, tree)
    _index(tree, "", parsed)
    return parsed


def _index(node: ast.AST, prefix: str, parsed: Parsed) -> None:
    for child in ast.iter_child_nodes(node):
        below = prefix
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            parsed.functions[first].append(child)
            below = f"{prefix}{child.name}.<locals>."
        elif isinstance(child, ast.Lambda):
            parsed.functions[child.lineno].append(child)
            below = f"{prefix}<lambda>.<locals>."
        elif isinstance(child, ast.ClassDef):
            parsed.classes[prefix + child.name].append(child)
            below = f"{prefix}{child.name}."
        _index(child, below, parsed)


def _parsed(code: CodeType, namespace: dict[str, Any]) -> Parsed | None:
    text = text_of(code.co_filename, namespace)
    return parse(text, code.co_filename, code.co_flags & FUTURE_FLAGS) if text else None


# --- functions --------------------------------------------------------------------------------------------------------


def find_function(code: CodeType, namespace: dict[str, Any]) -> Function:
    """The syntax tree of the function with this code, whose globals are `namespace`."""
    parsed = _current(code, namespace)
    if parsed is None:
        raise _no_source(code)
    found = [node for node in parsed.functions.get(code.co_firstlineno, ()) if _fits(node, code)]
    if not found:
        raise _no_source(code)
    return found[0] if len(found) == 1 else _by_position(found, code)


def _current(code: CodeType, namespace: dict[str, Any]) -> Parsed | None:
    """The parsed file of a code object, None when there is none; a refusal when the file is not what was loaded."""
    parsed = _parsed(code, namespace)
    if parsed is None or _agrees(code, parsed, namespace):
        return parsed
    if code.co_filename == COMMAND:
        return None  # made by exec(), in a program that is a string itself
    linecache.checkcache(code.co_filename)  # the text may be older than a module that was loaded again
    parsed = _parsed(code, namespace)
    if parsed is None or not _agrees(code, parsed, namespace):
        raise _changed(code)
    return parsed


def _agrees(code: CodeType, parsed: Parsed, namespace: dict[str, Any]) -> bool:
    if code.co_filename != COMMAND and type(namespace.get("__loader__")) is not SourceFileLoader:
        return True  # a loader that rewrites code, or a cell whose text cannot change
    return any(same_code(code, candidate) for candidate in parsed.codes(code.co_firstlineno))


def same_code(one: CodeType, two: CodeType) -> bool:
    """Whether two code objects do the same, wherever they stand."""
    return (
        one.co_code == two.co_code
        and one.co_names == two.co_names
        and one.co_varnames == two.co_varnames
        and one.co_freevars == two.co_freevars
        and one.co_name == two.co_name
        and len(one.co_consts) == len(two.co_consts)
        and all(map(_same_constant, one.co_consts, two.co_consts))
    )


def _same_constant(one: Any, two: Any) -> bool:
    if isinstance(one, CodeType) and isinstance(two, CodeType):
        return same_code(one, two)
    return type(one) is type(two) and (one == two or repr(one) == repr(two))


def _fits(node: Function, code: CodeType) -> bool:
    if isinstance(node, ast.Lambda):
        if code.co_name != "<lambda>":
            return False
    elif code.co_name != node.name:
        return False
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return len(names) == len(arguments) and all(
        name == argument.arg or name.endswith(argument.arg)  # `__x` in a class is stored as `_Class__x`
        for name, argument in zip(names, arguments, strict=True)
    )


def _by_position(found: list[Function], code: CodeType) -> Function:
    """The one of several functions on a line that the columns of the bytecode point into."""
    spans = [span for span in code.co_positions() if None not in span and span[2:] != (0, 0)]
    best: list[tuple[int, tuple[int, int], Function]] = []
    for node in found:
        body = node.body if isinstance(node, ast.Lambda) else node
        start, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
        inside = sum(1 for line, last, left, right in spans if start <= (line, left) and (last, right) <= end)
        best.append((inside, start, node))
    best.sort(key=lambda entry: entry[:2])
    if best[-1][0] > 0 and best[-1][:2] != best[-2][:2]:
        return best[-1][2]  # the innermost of those that hold most of the bytecode
    if len({canonical_text(normal_function(node)) for node in found}) == 1:
        return found[0]
    raise Refusal(
        f"one of {len(found)} lambdas on line {code.co_firstlineno} of {PurePath(code.co_filename).name}, "
        "which cannot be told apart.",
        "This Python keeps no columns (it runs with -X no_debug_ranges or PYTHONNODEBUGRANGES).",
        f"Put each lambda of line {code.co_firstlineno} on a line of its own, or use def.",
    )


# --- classes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Definition:
    """A class statement and the file it is in."""

    node: ast.ClassDef
    filename: str

    def holds(self, function: FunctionType) -> bool:
        """Whether the function is written in the body of the class."""
        code = function.__code__
        return code.co_filename == self.filename and self.node.lineno <= code.co_firstlineno <= (
            self.node.end_lineno or 0
        )


def find_class(cls: type) -> Definition | None:
    """The definition of a class; None when no source has it, a refusal when several have it and they differ."""
    found: list[Definition] = []
    for function in functions_of(cls):
        if function.__code__.co_qualname.rpartition(".")[0] != cls.__qualname__:
            continue  # not written in the body
        found = _definitions(cls, _current(function.__code__, function.__globals__))
        found = [definition for definition in found if definition.holds(function)]
        if found:
            break
    else:
        found = _definitions_in_module(cls)
    if len(found) > 1 and len({canonical_text(normal_class(definition.node)) for definition in found}) > 1:
        raise Refusal(
            f"class '{cls.__qualname__}', which is defined {len(found)} times in its file.",
            "Nothing says which definition it is.",
            "Give the definitions different names.",
        )
    return found[0] if found else None


def functions_of(cls: type) -> Iterator[FunctionType]:
    """The functions among the attributes of a class, with those inside a property, classmethod or decorator."""
    for value in vars(cls).values():
        members = (value.fget, value.fset, value.fdel) if isinstance(value, property) else (value,)
        for member in members:
            member = getattr(member, "__func__", member)
            while member is not None:
                if isinstance(member, FunctionType):
                    yield member
                member = getattr(member, "__wrapped__", None)


def _definitions(cls: type, parsed: Parsed | None) -> list[Definition]:
    if parsed is None:
        return []
    return [Definition(node, parsed.filename) for node in parsed.classes.get(cls.__qualname__, ())]


def _definitions_in_module(cls: type) -> list[Definition]:
    """The definitions of a class without methods: by name, and by first line where Python keeps it."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    text = text_of(file, vars(module)) if module is not None and isinstance(file, str) else ""
    found = _definitions(cls, parse(text, str(file), 0) if text else None)
    first = vars(cls).get("__firstlineno__")  # CPython 3.13 and later
    exact = [one for one in found if first in (one.node.lineno, *(part.lineno for part in one.node.decorator_list))]
    return exact or found


# --- refusals ---------------------------------------------------------------------------------------------------------


def _no_source(code: CodeType) -> Refusal:
    return Refusal(
        f"function '{code.co_qualname}' (from {code.co_filename}), which has no source that can be read.",
        "It was made by exec(), typed at a prompt or read from standard input, and bytecode differs between Python "
        "versions.",
        NO_SOURCE_CURE,
    )


def _changed(code: CodeType) -> Refusal:
    return Refusal(
        f"function '{code.co_qualname}', whose file {code.co_filename} was changed after it was loaded.",
        "The source that can be read is not the code that runs.",
        "Run the program again (finished steps are kept), or mark the function with "
        '@datadreamer.identity.version("1").',
    )
