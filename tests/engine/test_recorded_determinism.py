"""How exactly a step says that its rows can be made again."""

import pytest

from datadreamer._context import StepScope
from datadreamer.engine.record import determinism


def level(spec):
    scope = StepScope("ask", "ddw1:0", None)
    scope.models["model"] = {"spec": spec}
    return determinism(None, scope)


@pytest.mark.parametrize(
    "name", ["gpt-4o-mini-2024-07-18", "claude-3-5-haiku-20241022", "gpt-4-0613", "gemini-1.5-pro-002"]
)
def test_a_name_with_a_date_or_a_version_is_one_fixed_model(name):
    assert level({"wire": "openai-chat", "model": name}).level == "D1"


@pytest.mark.parametrize("name", ["gpt-4o-mini", "claude-sonnet-latest", "llama-3.1-8b-instruct", "org/model-7b"])
def test_an_alias_drifts(name):
    found = level({"wire": "openai-chat", "model": name})
    assert (found.level, name in found.why) == ("D0", True)
