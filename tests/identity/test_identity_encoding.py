"""Plain values: equal values have equal encodings, different values different ones."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.errors import CannotIdentifyError
from datadreamer.identity import FileRef, Secret, digest, encode

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(codec=None)),
    st.binary(),
)
keys = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.binary())
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(keys, inner), st.frozensets(st.one_of(st.text(), st.integers(), st.binary()))
    ),
    max_leaves=12,
)


patient = settings(deadline=None)  # what one example costs depends on what else the machine does


def picture(value):
    """What a value is, by the rules of the encoding and without its code: a nested tuple that can be compared."""
    if isinstance(value, list | tuple):
        return ("list", tuple(map(picture, value)))
    if isinstance(value, dict):
        return ("dict", frozenset((picture(key), picture(item)) for key, item in value.items()))
    if isinstance(value, set | frozenset):
        return ("set", frozenset(map(picture, value)))
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value.hex())
    if isinstance(value, complex):
        return ("complex", picture(value.real), picture(value.imag))
    return (type(value).__name__, value)


@patient
@given(values, values)
def test_encodings_are_equal_exactly_when_values_are(one, two):
    assert (encode(one) == encode(two)) == (picture(one) == picture(two))


@patient
@given(st.lists(values, max_size=4), st.lists(values, max_size=4))
def test_no_sequence_runs_into_its_neighbour(one, two):
    assert (encode([one, two]) == encode([[*one, *two], []])) == (picture([one, two]) == picture([[*one, *two], []]))


@patient
@given(st.dictionaries(keys, values), st.randoms(use_true_random=False))
def test_the_order_of_a_dict_does_not_count(value, random):
    pairs = list(value.items())
    random.shuffle(pairs)
    assert encode(dict(pairs)) == encode(value)


@patient
@given(st.lists(st.text(), unique=True), st.randoms(use_true_random=False))
def test_the_order_of_a_set_does_not_count(words, random):
    shuffled = list(words)
    random.shuffle(shuffled)
    assert encode(set(shuffled)) == encode(frozenset(words))


def test_the_encoding_is_the_published_one():
    assert encode({"b": [1, -255, 1.5, None, True, False], "a": "é"}) == (
        b"d2:s1:as2:\xc3\xa9s1:bl6:i1:i-ff:f\x3f\xf8\x00\x00\x00\x00\x00\x00NTF"
    )
    assert encode({b"x", 2}) == b"S2:b1:xi2:"
    assert encode(1j) == b"c" + bytes(8) + b"\x3f\xf0" + bytes(6)
    assert encode(range(3)) == b"o5:rangel3:i0:i3:i1:"


def test_types_that_python_compares_equal_differ():
    assert len({encode(value) for value in (1, 1.0, True, "1", b"1", 1 + 0j)}) == 6
    assert encode(0.0) != encode(-0.0)
    assert len({encode(value) for value in ("", b"", None, [], {}, set(), 0, False)}) == 8


def test_text_counts_by_its_code_points():
    assert encode("é") != encode("e\u0301")
    assert encode("\ud800") != encode("\udfff") != encode("\\ud800")


def test_a_digest_depends_on_its_prefix():
    assert digest(1, "ddw1").startswith("ddw1:")
    assert digest(1, "ddw1").split(":")[1] != digest(1, "ddr1").split(":")[1]


def test_secrets_are_all_alike_and_stay_hidden():
    secret = Secret("hunter2")
    assert encode(secret) == encode(Secret("other")) == b"o6:secretN"
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s}"
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError, match="never pickled"):
        secret.__reduce__()


def test_a_file_counts_by_its_content():
    assert encode(FileRef("sha256:ab", 10)) == encode(FileRef("sha256:ab", 11)) != encode(FileRef("sha256:ac", 10))


def test_a_path_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(CannotIdentifyError, match=r'args\["file"\]: the path .* Pass a FileRef'):
        encode({"args": {"file": tmp_path}})


def test_a_value_that_contains_itself_is_refused():
    loop: list[object] = []
    loop.append({"again": loop})
    with pytest.raises(CannotIdentifyError, match="contains itself"):
        encode(loop)


def test_large_numbers_have_no_limit():
    assert encode(1 << 100_000) != encode((1 << 100_000) + 1)
    assert sys.get_int_max_str_digits() < 100_000
