"""Local models decoded by a grammar: what they write fits, whatever their batch is and however little they know."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest
import tiny_models

from datadreamer import _context
from datadreamer.bundled import toy_model_path
from datadreamer.errors import InvalidArgumentError
from datadreamer.ledger import Ledger
from datadreamer.llms import Failure, Generation, HFTransformers, Regex
from datadreamer.llms.local.constrained import SAFE_INTEGER
from datadreamer.llms.structured.output_type import output_type


class Movie(pydantic.BaseModel):
    """A movie."""

    title: Annotated[str, pydantic.Field(max_length=8)]
    year: Annotated[int, pydantic.Field(ge=1900, le=2030)]
    mood: Literal["happy", "sad"]
    seen: bool | None
    tags: Annotated[list[Literal["a", "b"]], pydantic.Field(max_length=2)]


PROMPTS = [f"Movie number {n} " + "and so on " * (n % 3) for n in range(5)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("constrained")
    return {
        "plain": tiny_models.save_llama(root / "plain", context=1024),
        "chat": tiny_models.save_llama(root / "chat", chat=True, seed=1, context=1024),
        "t5": tiny_models.save_t5(root / "t5"),
        "toy": Path(toy_model_path()),
    }


def texts(llm: HFTransformers, prompts: list[str], **parameters: Any) -> list[str]:
    outcomes = list(llm.outcomes(prompts, max_reasks=0, **parameters))
    lost = [one for one in outcomes if isinstance(one, Failure)]
    assert not lost, lost[0]
    return [one.text for one in outcomes]


@pytest.mark.parametrize("name", ["plain", "chat", "toy"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_json_always_fits_and_does_not_depend_on_the_batch(
    folders: dict[str, Path], name: str, temperature: float
) -> None:
    llm = HFTransformers(str(folders[name]))
    asked = {"output_type": Movie, "temperature": temperature, "max_new_tokens": 150}
    alone = texts(llm, PROMPTS, batch_size=1, **asked)
    for text in alone:
        Movie.model_validate_json(text)
    assert texts(llm, PROMPTS, batch_size=3, **asked) == alone
    shuffled = PROMPTS[::-1]
    assert texts(llm, shuffled, batch_size=5, **asked) == alone[::-1]


@pytest.mark.parametrize("name", ["plain", "t5", "toy"])
@pytest.mark.parametrize(
    "kind",
    [
        int,
        bool,
        int | None,
        ["yes", "no", "maybe so"],
        Literal[1, 2, 3],
        Regex(r"[A-Z]{3}-\d{1,4}"),
        Annotated[list[int], pydantic.Field(max_length=2)],
    ],
    ids=str,
)
def test_every_kind_of_type_is_decoded(folders: dict[str, Path], name: str, kind: Any) -> None:
    llm = HFTransformers(str(folders[name]))
    prompts = PROMPTS[:2]
    values = llm.run(prompts, output_type=kind, max_new_tokens=60, max_reasks=0)
    assert len(values) == 2
    wanted = output_type(kind)
    for value in values:
        if wanted.kind == "choices":
            assert value in wanted.choices.values()
        elif kind is int:
            assert isinstance(value, int) and abs(value) <= SAFE_INTEGER


def test_top_p_and_the_like_choose_among_what_the_grammar_allows(folders: dict[str, Path]) -> None:
    llm = HFTransformers(str(folders["plain"]))
    wanted = Regex("[a-c]{2} [0-9]{3}")
    settings = ({"top_p": 0.01}, {"top_k": 1}, {"min_p": 0.9}, {"typical_p": 0.2}, {"repetition_penalty": 5.0})
    for setting in settings:
        assert texts(llm, PROMPTS[:3], output_type=wanted, max_new_tokens=20, **setting)  # type: ignore[arg-type]


def test_the_grammar_wins_over_what_else_is_forbidden(folders: dict[str, Path]) -> None:
    llm = HFTransformers(str(folders["plain"]))
    asked = {"output_type": ["yes", "no"], "max_new_tokens": 20}
    for settings in ({"min_new_tokens": 10}, {"no_repeat_ngram_size": 1}):
        assert set(texts(llm, PROMPTS[:3], **asked, **settings)) <= {"yes", "no"}
    assert set(texts(llm, PROMPTS[:2], output_type=Movie, max_new_tokens=150, no_repeat_ngram_size=2))


def test_rows_of_one_batch_may_have_different_types_or_none(folders: dict[str, Path]) -> None:
    from datadreamer.llms.types import Request

    llm = HFTransformers(str(folders["chat"]))
    formats: list[Any] = [None, {"type": "choices", "choices": ["left", "right"]}, {"type": "regex", "pattern": "a{3}"}]
    requests = [
        Request(
            messages=({"role": "user", "content": "x"},), max_new_tokens=12, temperature=1.0, response_format=format
        )
        for format in formats
    ]
    together = llm._answer_batch(requests)
    apart = [llm._answer_batch([request])[0] for request in requests]
    assert [one.text for one in together] == [one.text for one in apart]  # type: ignore[union-attr]
    assert together[1].text in ("left", "right") and together[2].text == "aaa"  # type: ignore[union-attr]


def test_an_answer_that_ends_with_its_room_is_whole_if_nothing_could_follow(folders: dict[str, Path]) -> None:
    llm = HFTransformers(str(folders["plain"]))
    length = len(llm.tokenizer('"aa"', add_special_tokens=False).input_ids)
    exactly = llm.run(["p"], output_type=Regex('"a{2}"'), max_new_tokens=length, max_reasks=0)
    assert exactly == ['"aa"']
    [cut] = llm.outcomes(["p"], output_type=Regex("a{50}"), max_new_tokens=5)
    assert isinstance(cut, Failure) and cut.reason == "truncated"


def test_a_schema_given_as_response_format_is_decoded_by_and_comes_as_text(folders: dict[str, Path]) -> None:
    llm = HFTransformers(str(folders["plain"]))
    closed = {**Movie.model_json_schema(), "additionalProperties": False}
    [text] = llm.run(["p"], response_format=closed, max_new_tokens=200)
    Movie.model_validate_json(text)
    [text] = llm.run(["p"], response_format={"type": "json_object"}, max_new_tokens=400, seed=3)
    assert text.startswith("{")


def test_a_type_that_no_grammar_expresses_is_asked_for_in_words(folders: dict[str, Path]) -> None:
    llm = HFTransformers(str(folders["plain"]))
    [lost] = llm.outcomes(["p"], output_type=Regex("a(?=b)b"), max_new_tokens=20, temperature=0)
    assert isinstance(lost, Failure)
    assert lost.reason in ("unparsed", "truncated")  # a model without a chat template cannot be asked again


def test_a_schema_that_cannot_be_decoded_by_is_refused_with_the_way_out(folders: dict[str, Path]) -> None:
    llm = HFTransformers(str(folders["plain"]))
    with pytest.raises(InvalidArgumentError, match=r"output_dialect to None"):
        llm.run(["p"], response_format={"type": "object", "properties": {"a": {"contains": {"type": "string"}}}})


def test_a_rerun_needs_neither_the_model_nor_the_grammar(folders: dict[str, Path], tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with _context.running(_context.StepScope("Ask", "ddw1:0", ledger)):
        values = HFTransformers(str(folders["toy"])).run(PROMPTS, output_type=Movie, max_new_tokens=150)
        again = HFTransformers(str(folders["toy"]))
        assert again.run(PROMPTS, output_type=Movie, max_new_tokens=150, cache_only=True) == values
        assert again._hf._live_model is None
    ledger.close()


def test_json_has_one_spacing_and_sampled_draws_differ(folders: dict[str, Path]) -> None:
    llm = HFTransformers(str(folders["plain"]))
    found = texts(llm, ["p"] * 4, output_type=Movie, max_new_tokens=150)
    assert all(text == json.dumps(json.loads(text), ensure_ascii=False) or "\\" in text for text in found)
    assert all(one != other for one, other in itertools.pairwise(found))


def test_usage_and_finish_reason_are_those_of_the_answer(folders: dict[str, Path]) -> None:
    llm = HFTransformers(str(folders["plain"]))
    [outcome] = llm.outcomes(["p"], output_type=["yes", "no"], max_new_tokens=20)
    assert isinstance(outcome, Generation)
    assert outcome.finish_reason == "stop" and 0 < outcome.usage.output_tokens <= 5
