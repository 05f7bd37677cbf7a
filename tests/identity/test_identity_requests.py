"""The key of a request to a model."""

from __future__ import annotations

import pytest

from datadreamer.errors import CannotIdentifyError
from datadreamer.identity import request_key

REQUEST = {
    "wire": "chat",
    "endpoint": "https://api.example.org/v1",
    "model": "m-1",
    "messages": [{"role": "user", "content": "Hello"}],
    "temperature": 1.0,
    "stop": ["\n"],
    "seed": None,
    "sample": 0,
}


def test_a_key_has_32_bytes_and_does_not_depend_on_the_order_of_parts():
    assert len(request_key(REQUEST)) == 32
    assert request_key(dict(reversed(REQUEST.items()))) == request_key(REQUEST)


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "https://api.example.org/v2"},
        {"model": "m-2"},
        {"messages": [{"role": "system", "content": "Be brief."}, *REQUEST["messages"]]},
        {"temperature": 1},
        {"stop": "\n"},
        {"seed": 0},
        {"sample": 1},
        {"tools": [{"type": "function"}]},
    ],
)
def test_every_part_counts(change):
    assert request_key({**REQUEST, **change}) != request_key(REQUEST)


def test_a_part_without_identity_is_refused_by_name():
    with pytest.raises(CannotIdentifyError, match=r'Cannot identify messages\[0\]\["content"\]: an object of type'):
        request_key({**REQUEST, "messages": [{"role": "user", "content": object()}]})
