"""Why: the first leaf that differs, by path and kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datadreamer.identity import FileRef, digest, first_difference, view

BASE = {
    "type": "ProcessWithPrompt",
    "code": "1",
    "settings": {"n": 3, "instruction": "Summarise.", "file": FileRef("sha256:aa", 3), "tags": {"a", "b"}},
    "models": {"llm": {"model": "gpt-4o-mini", "system_prompt": None}},
    "inputs": {"text": {"digest": "ddc1:aa"}},
    "outputs": {"generations": "summaries"},
}


def changed(**parts):
    """BASE with one part replaced or updated."""
    result = dict(BASE)
    for name, part in parts.items():
        result[name] = {**BASE[name], **part} if isinstance(part, dict) and name in BASE else part
    return result


def stored(value):
    """A view as it is read back from a record."""
    return json.loads(json.dumps(view(value)))


@pytest.mark.parametrize(
    ("new", "path", "old", "value", "kind"),
    [
        (changed(settings={"n": 4}), 'settings["n"]', 3, 4, "setting"),
        (changed(settings={"n": 3.0}), 'settings["n"]', 3, 3.0, "setting"),
        (changed(settings={"n": True}), 'settings["n"]', 3, True, "setting"),
        (changed(settings={"extra": 1}), 'settings["extra"]', None, 1, "setting"),
        (changed(settings={"file": FileRef("sha256:bb", 3)}), 'settings["file"]', "sha256:aa", "sha256:bb", "setting"),
        (changed(settings={"tags": {"a", "c"}}), 'settings["tags"][1]', "b", "c", "setting"),
        (
            changed(models={"llm": {**BASE["models"]["llm"], "system_prompt": "Hi"}}),
            'models["llm"]["system_prompt"]',
            None,
            "Hi",
            "model",
        ),
        (changed(inputs={"text": {"digest": "ddc1:bb"}}), 'inputs["text"]["digest"]', "ddc1:aa", "ddc1:bb", "input"),
        (changed(outputs={"generations": "tweets"}), 'outputs["generations"]', "summaries", "tweets", "setting"),
        (changed(type="Prompt"), "type", "ProcessWithPrompt", "Prompt", "code"),
        (changed(forced=True), "forced", None, True, "forced"),
        (changed(corrupt="part 3"), "corrupt", None, "part 3", "corrupt"),
        (changed(environment={"python": "3.12"}), "environment", None, {"python": "3.12"}, "environment"),
    ],
)
def test_the_first_difference_is_named(new, path, old, value, kind):
    found = first_difference(stored(BASE), view(new))
    assert found is not None
    assert (found.path, found.old, found.new, found.kind) == (path, old, value, kind)


def test_code_comes_before_settings_and_settings_before_inputs():
    new = changed(settings={"n": 4}, inputs={"text": {"digest": "ddc1:bb"}})
    assert first_difference(view(BASE), view(new)).kind == "setting"
    assert first_difference(view(BASE), view({**new, "type": "Prompt"})).kind == "code"


def test_equal_values_have_no_difference():
    assert first_difference(stored(BASE), view(changed())) is None


PROGRAM = """
LIMIT = 3
TABLE = {"en": [1, 2]}

def helper(x, unit="s"):
    return x[:LIMIT] + TABLE["en"] + unit

def make(factor):
    def f(x):
        return helper(x) * factor
    return f

f = make(2)
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("LIMIT = 3", "LIMIT = 4", "code: settings[\"post\"] → global 'helper' → global 'LIMIT' changed from 3 to 4"),
        (
            "[1, 2]",
            "[1, 3]",
            "code: settings[\"post\"] → global 'helper' → global 'TABLE'[\"en\"][1] changed from 2 to 3",
        ),
        ("make(2)", "make(5)", "code: settings[\"post\"] → closure variable 'factor' changed from 2 to 5"),
        ('"s"', '"m"', "code: settings[\"post\"] → global 'helper' → default of 'unit' changed from 's' to 'm'"),
        (
            "+ unit",
            "- unit",
            "code: settings[\"post\"] → global 'helper' → its code changed from "
            "\"return x[:LIMIT] + TABLE['en'] + unit\" to \"return x[:LIMIT] + TABLE['en'] - unit\"",
        ),
    ],
)
def test_a_difference_of_code_is_a_sentence(load, old, new, message):
    before, after = load(PROGRAM).f, load(PROGRAM.replace(old, new)).f
    found = first_difference(stored({"settings": {"post": before}}), view({"settings": {"post": after}}))
    assert str(found) == message


def test_long_texts_are_kept_short_and_differ_by_digest():
    one, two = "a" * 20_000, "a" * 19_999 + "b"
    assert len(json.dumps(view(one))) < 1_000
    found = first_difference(stored({"settings": {"text": one}}), view({"settings": {"text": two}}))
    assert found is not None and found.path == 'settings["text"]'
    assert first_difference(view(one), view("a" * 20_000)) is None


def test_a_sentence_shows_the_place_where_long_texts_part():
    one = "word " * 200 + "end"
    sentence = str(first_difference(view({"settings": {"p": one}}), view({"settings": {"p": one + "!"}})))
    assert "end'" in sentence and "end!'" in sentence and len(sentence) < 400


def test_views_are_json_and_differ_when_identities_do():
    values = [
        None, True, 1, 1.0, -0.0, 0.0, float("inf"), float("nan"), 1j, "1", b"1", "\ud800", "\udc00", "$x", [], {},
        set(), {"$x": 1}, {"$dict": []}, {1: 2}, {"1": 2}, {True: 2}, [1], {1}, {"a": {"b": None}}, b"x" * 100,
        b"y" * 100, "\ud800" * 9000, range(3), slice(3), len, int, FileRef("a", 1),
    ]  # fmt: skip
    texts = [json.dumps(view(value), allow_nan=False) for value in values]
    assert len(set(texts)) == len({digest(value) for value in values}) == len(values)
    for value, text in zip(values, texts, strict=True):
        assert first_difference(json.loads(text), view(value)) is None
        text.encode("utf-8")


def test_secrets_never_enter_a_view():
    from datadreamer.identity import Secret

    assert "hunter2" not in json.dumps(view({"key": Secret("hunter2")}))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ({}, {"n": None}, 'setting: settings["n"] is new: None'),
        ({"n": None}, {}, 'setting: settings["n"] is gone; it was None'),
        ({"n": None}, {"n": 1}, 'setting: settings["n"] changed from None to 1'),
    ],
)
def test_nothing_and_none_are_told_apart(old, new, sentence):
    assert str(first_difference(view({"settings": old}), view({"settings": new}))) == sentence


def test_rows_that_a_data_source_read_are_an_input_and_how_it_read_them_a_setting() -> None:
    def of(kind: str, digest: str, separator: str) -> Any:
        return view({"type": kind, "settings": {"content": {"digest": digest, "options": {"sep": separator}}}})

    ours = "datadreamer.steps.sources.csv.CSVDataSource"
    found = first_difference(of(ours, "one", ","), of(ours, "two", ","))
    assert found is not None and str(found) == "input: data[\"digest\"] changed from 'one' to 'two'"
    found = first_difference(of(ours, "one", ","), of(ours, "one", ";"))
    assert found is not None and (found.kind, found.path) == ("setting", 'settings["content"]["options"]["sep"]')
    found = first_difference(of("custom", "one", ","), of("custom", "two", ","))
    assert found is not None and (found.kind, found.path) == ("setting", 'settings["content"]["digest"]')


class Speaks:
    def __init__(self, **said: Any) -> None:
        self.said = said

    def __datadreamer_fingerprint__(self) -> dict[str, Any]:
        return self.said


class SpeaksToo(Speaks):
    pass


def test_the_path_into_an_object_that_says_what_counts_has_its_own_names() -> None:
    found = first_difference(view({"models": {"llm": Speaks(name="a")}}), view({"models": {"llm": Speaks(name="b")}}))
    assert found is not None and (found.kind, found.path) == ("model", 'models["llm"]["name"]')
    found = first_difference(view({"models": {"llm": Speaks()}}), view({"models": {"llm": SpeaksToo()}}))
    assert found is not None and found.path == 'models["llm"] → its type' and "SpeaksToo" in str(found.new)
