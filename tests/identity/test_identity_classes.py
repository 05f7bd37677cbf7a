"""What a class is: its code, its bases, what its methods use; one of a package is its name."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, make_dataclass

import pytest

from datadreamer.errors import CannotIdentifyError
from datadreamer.identity import class_view, digest, encode, view

STEP = """
from {base_module} import Base
RATE = 2

def helper(x): return x * RATE

class Score(Base):
    '''A step.'''
    limit: int = 3

    def run(self, x: int) -> int:
        # the body
        return helper(x) + self.limit

    def own(self, x):
        return super().run(x)
"""


@pytest.fixture
def score(load):
    load("class Base:\n    def run(self, x): return x\n", "base_of_user")

    def score(*changes: tuple[str, str]):
        source = STEP.format(base_module="base_of_user")
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        return load(source).Score

    return score


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("helper(x) + self.limit", "helper(x) - self.limit"),
        ("limit: int = 3", "limit: int = 4"),
        ("limit: int = 3", "limit: float = 3"),
        ("RATE = 2", "RATE = 3"),
        ("x * RATE", "x + RATE"),
        ("class Score(Base)", "class Score"),
    ],
)
def test_a_change_of_what_a_class_does_counts(score, old, new):
    assert digest(score()) == digest(score())
    assert digest(score()) != digest(score((old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'''A step.'''", "'''Another text.'''\n    # a comment"),
        ("(self, x: int) -> int", "(self, x)"),
        ("limit: int = 3", "limit: 'int' = (3)"),
        ("RATE = 2", "OTHER = 1\nRATE = 2"),
    ],
)
def test_how_a_class_is_written_does_not_count(score, old, new):
    assert digest(score()) == digest(score((old, new)))


def test_the_base_class_of_the_user_counts_by_its_code(load):
    def program(body: str) -> str:
        load(f"class Base:\n    def run(self, x): return {body}\n", "base_of_user")
        return digest(load(STEP.format(base_module="base_of_user")).Score)

    assert program("x") == program("x") != program("-x")


def test_a_class_attribute_set_from_outside_counts(score):
    one, two = score(), score()
    two.limit = 9
    assert digest(one) != digest(two)


def test_a_class_made_in_a_function_counts_what_it_closes_over(load):
    module = load(
        """
        def make(n):
            class Adder:
                def add(self, x): return x + n
            return Adder
        """
    )
    assert digest(module.make(1)) == digest(module.make(1)) != digest(module.make(2))


def test_a_class_that_refers_to_itself_has_an_end(load):
    source = """
    class Node:
        def __init__(self, parent=None):
            self.parent = parent or self
        def child(self):
            return Node(self)
    """
    one, two = load(source).Node, load(source).Node
    assert digest(one) == digest(two)
    assert digest(one().child()) == digest(two().child()) != digest(one())


def test_redefinitions_in_branches_are_told_apart_by_their_methods(load):
    module = load(
        """
        import sys
        if sys.version_info >= (3, 0):
            class C:
                def f(self): return 1
        else:
            class C:
                def f(self): return 2
        """
    )
    assert digest(module.C) == digest(load("class C:\n    def f(self): return 1").C)


def test_a_class_of_the_library_counts_by_name_and_version(load):
    source = "class Step:\n    {}\n    def run(self): return {}\n"

    def identity(version: str, result: int) -> bytes:
        return encode(load(source.format(version, result), "datadreamer.steps.prompting.step").Step)

    assert identity("pass", 1) == b"o5:classd1:s4:names22:datadreamer.steps.Step"
    assert identity("pass", 1) == identity("pass", 2)
    assert identity("version = 1", 1) == identity("version = 1", 2) != identity("version = 2", 1)


def test_a_class_of_a_package_counts_by_name():
    assert encode(json.JSONDecoder) == b"o5:classd1:s4:names24:json.decoder.JSONDecoder"
    assert encode(dict) == b"o5:classd1:s4:names13:builtins.dict"


def test_an_explicit_version_is_not_inherited(load):
    source = """
    class Base:
        __datadreamer_version__ = "1"
        def run(self): return {}
    class Own(Base):
        def run(self): return {}
    """

    def program(base: int, own: int):
        return load(source.format(base, own))

    assert digest(program(1, 1).Base) == digest(program(2, 1).Base)
    assert digest(program(1, 1).Own) == digest(program(2, 1).Own) != digest(program(1, 2).Own)


def test_a_class_made_without_source_counts_by_its_fields_or_is_refused():
    point = make_dataclass("Point", [("x", int), ("y", int, 0)])
    assert digest(point(1)) == digest(make_dataclass("Point", [("x", int), ("y", int, 0)])(1)) != digest(point(2))
    assert digest(point(1)) != digest(make_dataclass("Point", [("x", float), ("y", int, 0)])(1))
    with pytest.raises(CannotIdentifyError, match="class 'Made', which has no source"):
        digest(type("Made", (), {"run": lambda self: 1}))


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


def test_enum_members_count_by_class_name_and_value(load):
    source = "import enum\nclass Level(enum.IntEnum):\n    LOW = {}\n    HIGH = 2\n"
    assert digest(load(source.format(1)).Level.LOW) == digest(load(source.format(1)).Level.LOW)
    assert digest(load(source.format(1)).Level.HIGH) != digest(load(source.format(0)).Level.HIGH)
    assert len({digest(value) for value in (Level.LOW, Level.HIGH, 1, Level)}) == 4


@dataclass
class Options:
    language: str = "en"
    parent: Options | None = None


def test_dataclasses_count_by_class_and_fields(load):
    source = """
    from dataclasses import dataclass
    @dataclass
    class Options:
        language: str = "en"
        def f(self): return {}
    """
    one, two = load(source.format(1)).Options, load(source.format(2)).Options
    assert digest(one()) == digest(load(source.format(1)).Options()) != digest(two())
    assert digest(Options("en")) != digest(Options("de")) != digest({"language": "de"})


def test_an_object_that_contains_itself_has_an_end():
    def loop():
        options = Options("en")
        options.parent = Options("de", options)
        return options

    assert digest(loop()) == digest(loop()) != digest(Options("en", Options("de")))
    assert view(loop())


def test_a_view_of_a_class_encodes_and_shows_as_the_class(score):
    cls = score()
    assert encode(class_view(cls)) == encode(cls)
    assert class_view(cls).json == view(cls)


def test_a_class_whose_methods_are_all_wrapped_is_found(load):
    load(
        """
        import functools
        def loud(f):
            @functools.wraps(f)
            def wrapper(*a):
                return f(*a)
            return wrapper
        """,
        "decorators_of_user",
    )
    source = """
    from decorators_of_user import loud
    f = 1

    class C:
        @loud
        def run(self): return f + {}
    """
    one, two = load(source.format(1)), load(source.format(2))
    assert digest(one.C) == digest(load(source.format(1)).C) != digest(two.C)
    assert view(one.C)["$code"][0]["$class"]["globals"]["f"] == 1


def test_a_class_of_the_user_that_a_package_speaks_for_counts_by_its_code(load):
    load(
        "class LLM:\n    def __datadreamer_fingerprint__(self): return {'model': 'm'}\n",
        "datadreamer.llms.of_a_package",
    )
    source = """
    from datadreamer.llms.of_a_package import LLM
    class Mine(LLM):
        def answer(self): return {}
    class Speaks(Mine):
        def __datadreamer_fingerprint__(self): return "me"
        def answer(self): return {}
    """

    def program(result: int):
        return load(source.format(result, result))

    assert digest(program(1).Mine()) == digest(program(1).Mine()) != digest(program(2).Mine())
    assert digest(program(1).Speaks()) == digest(program(2).Speaks())
