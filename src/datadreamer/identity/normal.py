"""Code as canonical text: the syntax tree without what cannot change a result, written by our own rules.

`ast.dump` and `ast.unparse` change between Python versions; this text does not. Grammar: `docs/design/identity.md`.
"""

from __future__ import annotations

import ast
import copy
import json
import struct
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

# not part of what the code does, or new in some Python version and empty in the others
UNWRITTEN = {"ctx", "kind", "type_comment", "type_ignores", "type_params", "simple"}


def normal_function(node: Function) -> Function:
    """A copy without docstring, annotations, decorators and default values (the last two count by what they became)."""
    clean = Normaliser().visit(copy.deepcopy(node))
    clean.args.defaults = []
    clean.args.kw_defaults = []
    if not isinstance(clean, ast.Lambda):
        clean.decorator_list = []
    return clean


def normal_class(node: ast.ClassDef) -> ast.ClassDef:
    """A copy without docstrings and without bases (which count by what they are); decorators stay."""
    clean = Normaliser().visit(copy.deepcopy(node))
    clean.bases = []
    return clean


def normal_module(node: ast.Module) -> ast.Module:
    """A copy without docstrings and annotations."""
    return Normaliser().visit(copy.deepcopy(node))


class Normaliser(ast.NodeTransformer):
    """Removes docstrings, other bare constants, `pass`, annotations and type parameters; joins pieces of f-strings."""

    def __init__(self) -> None:
        self.in_class = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._scope(node, in_class=False)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._scope(node, in_class=True)

    def _scope(self, node: ast.AST, *, in_class: bool) -> ast.AST:
        outer, self.in_class = self.in_class, in_class
        try:
            return self.generic_visit(node)
        finally:
            self.in_class = outer

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if self.in_class:  # there it declares a field
            node.annotation = unquoted(node.annotation)
            return self.generic_visit(node)
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.format_spec, ast.JoinedStr) and not node.format_spec.values:
            node.format_spec = None
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        node.values = joined(node.values)
        return node


def unquoted(annotation: ast.expr) -> ast.expr:
    """An annotation in quotes as the expression it stands for."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return ast.parse(annotation.value.strip(), mode="eval").body
        except SyntaxError:
            return annotation
    return annotation


def joined(pieces: list[ast.expr]) -> list[ast.expr]:
    """The pieces of an f-string with neighbouring constants joined: Python versions cut them differently."""
    result: list[ast.expr] = []
    for piece in pieces:
        if isinstance(piece, ast.Constant) and isinstance(piece.value, str):
            if not piece.value:
                continue
            if result and isinstance(result[-1], ast.Constant):
                result[-1] = ast.Constant(value=str(result[-1].value) + piece.value)
                continue
        result.append(piece)
    return result


def canonical_text(node: ast.AST) -> str:
    """The text whose SHA-256 is the identity of the code. `node` is normalised already."""
    out: list[str] = []
    _write(node, out)
    return "".join(out)


def _write(item: Any, out: list[str]) -> None:
    if isinstance(item, ast.Constant):
        out.append(f"(Constant {constant(item.value)})")
    elif isinstance(item, ast.AST):
        out.append(f"({type(item).__name__}")
        for name in sorted(item._fields):
            value = getattr(item, name, None)
            if name in UNWRITTEN or value is None or value == []:
                continue
            out.append(f" {name}=")
            _write(value, out)
        out.append(")")
    elif isinstance(item, list):
        out.append("[")
        for index, element in enumerate(item):
            if index:
                out.append(" ")
            _write(element, out)
        out.append("]")
    elif isinstance(item, str):
        out.append(json.dumps(item))
    elif item is None:
        out.append("~")  # `**mapping` in a dict display, a keyword-only parameter without default
    else:
        out.append(constant(item))  # a bare number, or the constant of `case None:`


def constant(value: Any) -> str:
    """A constant of the program, with its type."""
    match value:
        case None | True | False:
            return str(value)
        case str():
            return f"str {json.dumps(value)}"
        case bytes():
            return f"bytes {value.hex()}"
        case int():
            return f"int {value:x}"
        case float():
            return f"float {struct.pack('>d', value).hex()}"
        case complex():
            return f"complex {struct.pack('>dd', value.real, value.imag).hex()}"
        case _:
            return "Ellipsis"


def readable(node: ast.AST) -> str:
    """The same code as Python source, for people; its text may change with the Python version, and never counts."""
    try:
        return ast.unparse(ast.fix_missing_locations(node))
    except Exception:  # what cannot be shown is still identified
        return ""
