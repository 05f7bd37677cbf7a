"""What a function is: its code and everything it refers to, and nothing else."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from datadreamer.errors import CannotIdentifyError
from datadreamer.identity import digest, encode, function_view, version, view


def identity_of(load, source: str, name: str = "f") -> str:
    return digest(getattr(load(source), name))


def same(load, one: str, two: str) -> bool:
    return identity_of(load, one) == identity_of(load, two)


CLEAN = """
LIMIT = 3

def clean(text):
    words = text.split()
    return " ".join(words[:LIMIT])

f = clean
"""


# --- what does not count ----------------------------------------------------------------------------------------------


def test_comments_docstrings_annotations_formatting_file_and_line_do_not_count(load):
    rewritten = '''
    """Another module, another folder."""
    from __future__ import annotations
    import os

    OTHER = 1
    LIMIT = 3



    def clean(text: str) -> str:
        """Keep the first words."""
        # split
        words: list[str] = (
            text.split()
        )
        pass
        return ' '.join(
            words[ :LIMIT],
        )  # done

    f = clean
    '''
    assert digest(load(CLEAN).f) == digest(load(rewritten, "another").f)


def test_how_text_is_written_does_not_count(load):
    assert same(load, """f = lambda x: f"a{x:>{2}}b" "c" + 'd'""", """f = lambda x: (f'a{x:>{2}}'\n  'bc') + "d\"""")
    assert same(load, "f = lambda x: 1_000 + 0x10", "f = lambda x: (1000) + 16")


# --- what counts ------------------------------------------------------------------------------------------------------

WRAPPED = """
import functools
def d(g):
    @functools.wraps(g)
    def w(*a): return g(*a)
    return w
@d
def f(x): return {}
"""

CHANGES = {
    "a constant": ("f = lambda x: x + 1", "f = lambda x: x + 1.0"),
    "a local variable's name": ("def f(x):\n y = x\n return y", "def f(x):\n z = x\n return z"),
    "a default": ("def f(x, n=1): return x * n", "def f(x, n=2): return x * n"),
    "a keyword default": ("def f(x, *, n=1): return x * n", "def f(x, *, n=2): return x * n"),
    "a default made elsewhere": ("N = [1]\ndef f(x, n=N): return n", "N = [2]\ndef f(x, n=N): return n"),
    "a global": (CLEAN, CLEAN.replace("LIMIT = 3", "LIMIT = 4")),
    "a global read in a nested function": (
        "N = 1\ndef f(x):\n def g(): return N\n return g",
        "N = 2\ndef f(x):\n def g(): return N\n return g",
    ),
    "a global read in a comprehension": ("N = 1\nf = lambda x: [N for _ in x]", "N = 2\nf = lambda x: [N for _ in x]"),
    "a closure variable": (
        "def make(n):\n return lambda x: x * n\nf = make(2)",
        "def make(n):\n return lambda x: x * n\nf = make(3)",
    ),
    "a helper": ("def g(x): return x\nf = lambda x: g(x)", "def g(x): return -x\nf = lambda x: g(x)"),
    "a helper's helper": (
        "N = 1\ndef h(x): return N\ndef g(x): return h(x)\ndef f(x): return g(x)",
        "N = 2\ndef h(x): return N\ndef g(x): return h(x)\ndef f(x): return g(x)",
    ),
    "a helper in a table": (
        "def g(x): return 1\nT = {'a': [g]}\nf = lambda x: T[x]",
        "def g(x): return 2\nT = {'a': [g]}\nf = lambda x: T[x]",
    ),
    "a decorator": (
        "def d(g):\n return lambda x: g(x)\n@d\ndef f(x): return x",
        "def d(g):\n return lambda x: g(x) + 1\n@d\ndef f(x): return x",
    ),
    "what is decorated": (
        WRAPPED.format("x"),
        WRAPPED.format("-x"),
    ),
    "what a library wraps": (
        "import contextlib\n@contextlib.contextmanager\ndef f(x): yield x",
        "import contextlib\n@contextlib.contextmanager\ndef f(x): yield -x",
    ),
    "what is cached": (
        "import functools\n@functools.cache\ndef f(x): return x",
        "import functools\n@functools.cache\ndef f(x): return -x",
    ),
    "a case of a dispatch": (
        "import functools\n@functools.singledispatch\ndef f(x): return x\n@f.register\ndef _(x: int): return 1",
        "import functools\n@functools.singledispatch\ndef f(x): return x\n@f.register\ndef _(x: int): return 2",
    ),
    "which library function is meant": (
        "from math import floor as g\nf = lambda x: g(x)",
        "from math import ceil as g\nf = lambda x: g(x)",
    ),
    "which module is meant": (
        "import json as m\nf = lambda x: m.dumps(x)",
        "import pickle as m\nf = lambda x: m.dumps(x)",
    ),
    "what a class it uses does": (
        "class C:\n def m(self): return 1\nf = lambda x: C().m()",
        "class C:\n def m(self): return 2\nf = lambda x: C().m()",
    ),
    "a positional-only parameter": ("def f(x, /): return x", "def f(x): return x"),
    "being async": ("def f(x): return x", "async def f(x): return x"),
    "a shadowed built-in": ("f = lambda x: len(x)", "len = lambda x: 1\nf = lambda x: len(x)"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_counts(load, change):
    before, after = CHANGES[change]
    assert same(load, before, before)
    assert not same(load, before, after)


def test_a_global_that_changes_while_the_program_runs_counts(load):
    module = load(CLEAN)
    before = digest(module.f)
    module.LIMIT = 4
    assert digest(module.f) != before
    module.LIMIT = 3
    assert digest(module.f) == before


def test_helpers_in_another_module_of_the_user_are_followed(load):
    def program(helper: str) -> str:
        load(f"RATE = 1\ndef clean(x):\n    return {helper}\ndef other(x):\n    return 1\n", "helpers_of_user")
        return identity_of(load, "import helpers_of_user as h\nf = lambda x: h.clean(x)")

    assert program("x + RATE") == program("x + RATE") != program("x - RATE")


def test_what_is_imported_inside_a_function_is_followed(load):
    def program(helper: str, statement: str, call: str) -> str:
        load(f"def clean(x):\n    return {helper}\n", "helpers_of_user")
        return identity_of(load, f"def f(x):\n    {statement}\n    return {call}(x)")

    for statement, call in (
        ("from helpers_of_user import clean", "clean"),
        ("import helpers_of_user as h", "h.clean"),
        ("import helpers_of_user", "helpers_of_user.clean"),
    ):
        assert program("x", statement, call) == program("x", statement, call) != program("-x", statement, call)


def test_unrelated_changes_in_the_same_module_do_not_count(load):
    more = CLEAN + "\nOTHER = object()\n\ndef unused(client=OTHER):\n    return client\n"
    assert same(load, CLEAN, more)
    local = "x = object()\ndef f(rows):\n    for x in rows:\n        y = [x for x in rows]\n    return y"
    assert identity_of(load, local)


def test_functions_that_call_each_other_have_an_end(load):
    source = """
    def even(n): return True if n == 0 else odd(n - 1)
    def odd(n): return False if n == 0 else even(n - 1)
    """
    one, two = load(source), load(source)
    assert digest(one.even) == digest(two.even) != digest(one.odd)
    assert digest(one.odd) != digest(load(source.replace("n == 0 else even", "n == 1 else even")).odd)


def test_a_long_chain_of_helpers_needs_no_deep_recursion(load):
    chain = "\n".join(f"def f{i}(x): return f{i + 1}(x)" for i in range(1500))
    before = digest(load(chain + "\ndef f1500(x): return 1").f0)
    assert before != digest(load(chain + "\ndef f1500(x): return 2").f0)


def test_thirty_functions_that_all_call_each_other_take_linear_work(load):
    names = range(30)
    calls = " or ".join(f"f{i}(x)" for i in names)
    module = load("\n".join(f"def f{i}(x): return {i} and ({calls})" for i in names))
    assert len(view(module.f0)["$code"]) == 30
    assert len(encode(module.f0)) < 50_000


def test_lambdas_on_one_line_are_told_apart(load):
    module = load(
        "a, b, c = (lambda x: x + 1), (lambda x: x - 1), (lambda x: lambda y: x + y)\n"
        "d = [lambda x: x + 1, lambda x: x * 1][0]; e = c(1)\n"
        "g, h = lambda: None, lambda: 1"
    )
    assert digest(module.a) == digest(module.d)
    assert len({digest(f) for f in (module.a, module.b, module.c, module.e, module.g, module.h)}) == 6


def test_a_multi_line_lambda_and_one_in_a_call_are_found(load):
    one = load("f = (lambda x:\n    x.strip()\n     .lower())")
    two = load("import functools\nf = functools.partial(\n    sorted,\n    key=lambda x: x.strip().lower())")
    assert digest(one.f) == digest(two.f.keywords["key"])


def test_partials_count_by_their_parts(load):
    module = load(CLEAN)
    parts = functools.partial
    assert digest(parts(module.f, "a")) == digest(parts(module.f, "a"))
    assert len({digest(p) for p in (parts(module.f), parts(module.f, "a"), parts(module.f, text="a"), module.f)}) == 4


def test_methods_count_by_their_object_and_their_code(load):
    source = """
    class Cleaner:
        def __init__(self, lower): self.lower = lower
        def clean(self, text): return text.lower() if self.lower else text
        def __call__(self, text): return self.clean(text)
        @classmethod
        def make(cls): return cls(True)
    """
    one, two = load(source).Cleaner, load(source.replace("text.lower()", "text.upper()")).Cleaner
    again = load(source).Cleaner
    assert digest(one(True).clean) == digest(again(True).clean)
    assert digest(one(True).clean) != digest(one(False).clean)
    assert digest(one(True).clean) != digest(two(True).clean)
    assert digest(one(True)) == digest(again(True)) != digest(one(False))
    assert digest(one(True)) != digest(two(True))
    assert digest(one.make) == digest(again.make) != digest(two.make)


def test_an_explicit_version_stands_for_the_code(load):
    source = """
    from datadreamer.identity import version
    client = object()

    @version("{}")
    def f(x): return client.get(x{})
    """
    assert same(load, source.format(1, ""), source.format(1, " + 1"))
    assert not same(load, source.format(1, ""), source.format(2, ""))


def test_a_version_is_not_inherited_by_a_wrapper(load):
    source = """
    import functools
    from datadreamer.identity import version

    def loud(function):
        @functools.wraps(function)
        def wrapper(x): return function(x){}
        return wrapper

    @loud
    @version("1")
    def f(x): return x
    """
    assert not same(load, source.format(""), source.format(" + '!'"))


def test_the_attribute_is_as_good_as_the_decorator():
    def f(x):
        return x

    marked = version(3)(f)
    assert marked is f
    assert f.__datadreamer_version__ == "3"  # type: ignore[attr-defined]


def test_a_view_of_a_function_encodes_and_shows_as_the_function(load):
    function = load(CLEAN).f
    taken = function_view(function)
    assert encode(taken) == encode(function)
    assert view({"f": taken}) == view({"f": function})


def test_functions_of_packages_count_by_name():
    import json

    import numpy
    import pyarrow

    assert encode(pyarrow.array) == b"o4:names17:pyarrow.lib.array"
    assert encode(json.dumps) == b"g1:o8:functiond1:s4:names10:json.dumps"
    assert encode(numpy.add) == b"o4:names9:numpy.add"
    assert encode(numpy.mean) == b"o4:names10:numpy.mean"
    assert encode(len) == b"o4:names12:builtins.len"


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_function_without_source_is_refused_by_name():
    scope: dict[str, object] = {}
    exec("def made(x): return x", scope)
    with pytest.raises(CannotIdentifyError, match=r'args\["f"\]: function \'made\' .* no source .* Three ways out'):
        digest({"args": {"f": scope["made"]}})


def test_a_file_that_changed_after_it_was_loaded_is_noticed(load):
    module = load(CLEAN)
    Path(module.__file__).write_text(CLEAN.replace("words[:LIMIT]", "words[LIMIT:]"))
    with pytest.raises(CannotIdentifyError, match=r"'clean', whose file .* was changed after it was loaded"):
        digest(module.f)


def test_the_path_to_an_unknown_value_is_named(load):
    module = load(
        """
        class Box:
            def __init__(self, it): self.it = it
        def make(client): return lambda x: client.get(x)
        import io
        stream = io.StringIO()
        box = Box({"deep": [stream]})
        def helper(x): return box
        f = lambda x: helper(x)
        def g(x, to=stream): return to
        """
    )
    paths = {
        r'args\["post_process"\] → closure variable \'client\': an object of type': module.make(module.stream),
        r'args\["post_process"\] → global \'helper\' → global \'box\' → attribute \'it\'\["deep"\]\[0\]: an': module.f,
        r'args\["post_process"\] → default of \'to\': an object of type': module.g,
    }
    for path, function in paths.items():
        for identify in (digest, view):
            with pytest.raises(CannotIdentifyError, match=f"{path}.*Three ways out"):
                identify({"args": {"post_process": function}})


def test_the_canonical_text_is_the_published_one(load):
    import ast

    from datadreamer.identity.normal import canonical_text, normal_function

    def text(source: str) -> str:
        return canonical_text(normal_function(ast.parse(source).body[0].value))  # type: ignore[attr-defined, arg-type]

    published = (
        '(Lambda args=(arguments args=[(arg arg="x")]) body=(BinOp left=(Name id="x") op=(Add) right=(Constant int 1)))'
    )
    assert text("lambda x: x + 1") == published
    assert published in (Path(__file__).parents[2] / "docs" / "design" / "identity.md").read_text()
    assert text("lambda: {**a, 'é': b'\\x00'}").endswith(
        'body=(Dict keys=[~ (Constant str "\\u00e9")] values=[(Name id="a") (Constant bytes 00)]))'
    )
