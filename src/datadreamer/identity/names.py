"""Which names of a piece of code come from outside it: globals, closure variables, imports made inside.

Worked out from the syntax tree and not from bytecode, so that every Python version finds the same names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Chain = tuple[str, ...]  # ("np", "linalg", "norm") for np.linalg.norm


@dataclass(frozen=True, slots=True, order=True)
class Imported:
    """Something imported inside the code: `level` is the number of leading dots, `chain` what is used of it."""

    module: str
    level: int
    chain: Chain


@dataclass(frozen=True, slots=True)
class Outside:
    """What a piece of code takes from outside itself."""

    names: tuple[Chain, ...]
    imports: tuple[Imported, ...]


@dataclass(eq=False, slots=True)
class Scope:
    kind: Literal["function", "class", "comprehension"]
    parent: Scope | None
    bound: set[str] = field(default_factory=set)
    from_outside: set[str] = field(default_factory=set)  # declared global
    nonlocals: set[str] = field(default_factory=set)
    modules: dict[str, tuple[str, int]] = field(
        default_factory=dict
    )  # local name -> module it was bound to by `import`


def outside(node: ast.AST) -> Outside:
    """The free names of a normalised function, lambda, class or module, each with the attributes read from it."""
    finder = Finder()
    finder.top(node)
    names, imports = set(), set(finder.imports)
    for scope, chain in finder.uses:
        owner = owner_of(scope, chain[0])
        if owner is None:
            names.add(chain)
        elif chain[0] in owner.modules:
            module, level = owner.modules[chain[0]]
            imports.add(Imported(module, level, chain[1:]))
    return Outside(tuple(sorted(names)), tuple(sorted(imports)))


def owner_of(scope: Scope, name: str) -> Scope | None:
    """The scope inside the code that binds `name`, or None when it comes from outside."""
    current: Scope | None = scope
    while current is not None:
        if name in current.from_outside:
            return None
        visible = current.kind != "class" or current is scope  # methods do not see names of their class
        if visible and name in current.bound and name not in current.nonlocals:
            return current
        current = current.parent
    return None


class Finder(ast.NodeVisitor):
    """Walks in the order of evaluation, and keeps every read of a name with the scope it happens in."""

    def __init__(self) -> None:
        self.scope = Scope("function", None)
        self.uses: list[tuple[Scope, Chain]] = []
        self.imports: list[Imported] = []

    def top(self, node: ast.AST) -> None:
        if isinstance(node, ast.ClassDef):
            for part in (*node.decorator_list, *node.bases, *node.keywords):
                self.visit(part)
            self.body("class", node.body)
        elif isinstance(node, ast.Module):
            self.statements(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self.function(node)

    # --- scopes

    def body(self, kind: Literal["function", "class"], statements: list[ast.stmt], bound: Iterable[str] = ()) -> None:
        outer, self.scope = self.scope, Scope(kind, self.scope, set(bound))
        self.statements(statements)
        self.scope = outer

    def statements(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.visit(statement)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        if isinstance(node, ast.Lambda):
            self.body("function", [ast.Expr(value=node.body)], parameters(node.args))
        else:
            self.body("function", node.body, parameters(node.args))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in (*node.decorator_list, *defaults(node.args)):
            self.visit(part)
        self.scope.bound.add(node.name)
        self.function(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for part in defaults(node.args):
            self.visit(part)
        self.function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.top(node)
        self.scope.bound.add(node.name)

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)  # evaluated outside the comprehension
        outer, self.scope = self.scope, Scope("comprehension", self.scope)
        for index, generator in enumerate(node.generators):
            if index:
                self.visit(generator.iter)
            self.visit(generator.target)
            for condition in generator.ifs:
                self.visit(condition)
        results = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        for result in results:
            self.visit(result)
        self.scope = outer

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension  # noqa: N815

    # --- bindings

    def bind(self, name: str | None) -> None:
        if name is not None:
            self.scope.bound.add(name)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        scope = self.scope
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent  # `:=` binds in the function around a comprehension
        scope.bound.add(node.target.id)

    def visit_Global(self, node: ast.Global) -> None:
        self.scope.from_outside.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.scope.nonlocals.update(node.names)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.bind(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.bind(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self.bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.bind(node.rest)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.asname:
                self.bind_module(alias.asname, alias.name, 0)
            else:
                self.bind_module(alias.name.split(".")[0], alias.name.split(".")[0], 0)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self.bind(alias.asname or alias.name)
            self.imports.append(Imported(node.module or "", node.level, (alias.name,)))

    def bind_module(self, name: str, module: str, level: int) -> None:
        self.scope.bound.add(name)
        self.scope.modules[name] = (module, level)

    # --- uses

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)  # first: in a class body `process = process` reads the global
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        self.visit(node.target)  # the annotation declares; it is not followed

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.use((node.target.id,))
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.visit(node.target)
        self.statements(node.body + node.orelse)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.use((node.id,))
        else:
            self.bind(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        attributes: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            attributes.append(base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            self.use((base.id, *reversed(attributes)))
        else:
            self.visit(base)

    def use(self, chain: Chain) -> None:
        if self.scope.kind == "class" and chain[0] not in self.scope.bound and self.scope.parent is not None:
            self.uses.append((self.scope.parent, chain))  # not bound yet in the class body: read from further out
        else:
            self.uses.append((self.scope, chain))


def parameters(arguments: ast.arguments) -> Iterator[str]:
    """The names of all parameters."""
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None:
            yield argument.arg


def defaults(arguments: ast.arguments) -> Iterator[ast.expr]:
    """The expressions of default values, evaluated outside the function."""
    yield from arguments.defaults
    yield from (default for default in arguments.kw_defaults if default is not None)
