"""Values of other packages and of the user: by content, by what they say stands for them, or refused."""

from __future__ import annotations

import functools
import io
import logging
import random
from collections import OrderedDict, defaultdict
from enum import StrEnum
from typing import Literal

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest
import torch

from datadreamer.errors import CannotIdentifyError, InvalidTypeError
from datadreamer.identity import digest, encode, register, request_key, view


def test_arrays_count_by_type_shape_and_bytes():
    array = np.arange(6, dtype=np.int64)
    different = [
        array,
        array.reshape(2, 3),
        array.reshape(2, 3).T.copy(),
        array.astype(np.int32),
        array.astype(float),
        array.tolist(),
        np.array(["a"]),
        np.array([{"a": 1}, None], dtype=object),
        np.float64(1.0),
        np.float32(1.0),
        np.int64(1),
        np.bool_(True),
        1.0,
        1,
        True,
        np.dtype("int64"),
    ]
    assert len({digest(value) for value in different}) == len(different)
    assert digest(np.ma.masked_array([1, 2], [0, 1])) != digest(np.ma.masked_array([1, 2], [0, 0]))
    assert digest(np.rec.array([(1,)], dtype=[("a", int)])) != digest(np.array([(1,)], dtype=[("a", int)]))
    assert digest(np.arange(12)[::2]) == digest(np.arange(12)[::2].copy())
    assert digest(array.astype(">i8")) == digest(array)
    assert digest(np.asfortranarray(array.reshape(2, 3))) == digest(array.reshape(2, 3))
    assert encode(np.array([1, 2], dtype="<i2")) == b"o5:arrayl3:s3:<i2l1:i2:b4:\x01\x00\x02\x00"


def test_random_generators_count_by_their_state():
    assert digest(random.Random(1)) == digest(random.Random(1)) != digest(random.Random(2))
    assert digest(np.random.default_rng(1)) == digest(np.random.default_rng(1)) != digest(np.random.default_rng(2))


def test_tensors_count_by_type_shape_and_bytes():
    tensor = torch.arange(6)
    different = [tensor, tensor.view(2, 3), tensor.float(), tensor.bfloat16(), torch.tensor(True), torch.bfloat16]
    assert len({digest(value) for value in different}) == len(different)
    assert digest(tensor.view(2, 3).t().contiguous()) == digest(tensor.view(2, 3).t())
    assert digest(torch.nn.Parameter(tensor.float())) == digest(tensor.float())


def test_tables_and_modules_are_refused_with_a_cure():
    for value in (pd.DataFrame({"a": [1]}), pd.Series([1]), pa.table({"a": [1]})):
        with pytest.raises(CannotIdentifyError, match=r'args\["table"\]: .* as an input'):
            digest({"args": {"table": value}})
    with pytest.raises(CannotIdentifyError, match="name and revision"):
        digest(torch.nn.Linear(1, 1))


class Inner(pydantic.BaseModel):
    score: float


class Answer(pydantic.BaseModel):
    """What the judge says."""

    label: Literal["good", "bad"]
    inner: list[Inner] = []


def test_pydantic_classes_count_by_their_schema(load):
    source = "import pydantic\nclass Answer(pydantic.BaseModel):\n    label: {}\n    def loud(self): return {}\n"

    def answer(hint: str, result: int = 1):
        return load(source.format(hint, result)).Answer

    assert digest(answer("str")) == digest(answer("str")) != digest(answer("int"))
    assert digest(answer("str")) != digest(answer("str", 2)), "in a step its methods count"
    assert request_key({"f": answer("str")}) == request_key({"f": answer("str", 2)}), "in a request they do not"
    assert request_key({"f": answer("str")}) != request_key({"f": answer("int")})
    assert request_key({"f": Answer}) != request_key({"f": Inner}) != request_key({"f": None})
    assert "schema" in view(Answer)["$code"][0]["$class"]


def test_pydantic_models_count_by_class_and_fields():
    one = Answer(label="good", inner=[Inner(score=1)])
    assert digest(one) == digest(Answer(label="good", inner=[Inner(score=1)]))
    assert digest(one) != digest(Answer(label="good", inner=[Inner(score=2)]))
    assert digest(one) != digest(one.model_dump())
    assert digest(pydantic.SecretStr("a")) == digest(pydantic.SecretStr("b"))


class Settings(msgspec.Struct):
    rounds: int = 1


def test_structs_count_by_class_and_fields():
    assert digest(Settings(1)) == digest(Settings(1)) != digest(Settings(2))


def test_subclasses_of_built_in_types_keep_their_class_and_content():
    class Words(list):
        pass

    class Tag(str):
        __slots__ = ()

    class Mode(StrEnum):
        FAST = "fast"

    assert digest(Words([1])) == digest(Words([1])) != digest(Words([2]))
    assert len({digest(value) for value in (Words("a"), ["a"], Tag("a"), "a", Mode.FAST, "fast")}) == 6
    assert digest(OrderedDict(a=1, b=2)) == digest({"b": 2, "a": 1})
    assert digest(defaultdict(list, a=1)) != digest({"a": 1})


class Client:
    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = object()

    def __datadreamer_fingerprint__(self):
        return {"url": self.url}


def test_an_object_says_what_stands_for_it():
    assert digest(Client("a")) == digest(Client("a")) != digest(Client("b"))
    assert encode(Client("a")) == b"o6:objectl2:s6:Clientd1:s3:urls1:a"


def test_a_registered_type_is_identified_with_its_subclasses():
    class Tokenizer:
        def __init__(self, words):
            self.words, self.stream = words, io.StringIO()

    class Other(Tokenizer):
        pass

    with pytest.raises(CannotIdentifyError, match="attribute 'stream'"):
        digest(Tokenizer(["a"]))

    @register(Tokenizer)
    def _(tokenizer):
        return tokenizer.words

    assert digest(Tokenizer(["a"])) == digest(Tokenizer(["a"])) != digest(Tokenizer(["b"])) != digest(Other(["b"]))
    with pytest.raises(InvalidTypeError, match="takes a class"):
        register("numpy.ndarray")  # type: ignore[arg-type]


class Plain:
    __slots__ = ("__weakref__", "size")

    def __init__(self, size):
        self.size = size


class Cached:
    def __init__(self, size):
        self.size = size

    @functools.cached_property
    def double(self):
        return self.size * 2


def test_objects_of_the_users_own_classes_count_by_code_and_state():
    assert digest(Plain(1)) == digest(Plain(1)) != digest(Plain(2))
    used, fresh = Cached(1), Cached(1)
    assert used.double == 2
    assert digest(used) == digest(fresh)


def test_loggers_do_not_stand_in_the_way():
    assert digest(logging.getLogger("a")) == digest(logging.getLogger("a"))


@pytest.mark.parametrize("value", [io.StringIO(), iter([1]), (n for n in [1]), object(), {}.keys(), lambda: (yield)])
def test_what_has_no_identity_is_refused(value):
    if callable(value):
        value = value()
    with pytest.raises(CannotIdentifyError, match=r"^Cannot identify args\[0\]: an object of type .* Three ways out"):
        digest({"args": [value]})


def test_type_hints_are_values():
    hints = [list[int], list[str], int | None, Literal["a"], Literal["b"], dict[str, list[int]]]
    assert len({digest(hint) for hint in hints}) == len(hints)
    assert digest(int | None) == digest(__import__("typing").Optional[int])
