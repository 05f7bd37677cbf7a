"""llama.cpp's server as a process of ours. A real process that speaks its protocol stands in for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datadreamer.errors import InvalidArgumentError, MissingDependencyError
from datadreamer.llms import CTransformers, LlamaCpp

Seen = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A folder with two files that are called as models are."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "tiny.Q4_K_M.gguf").write_bytes(b"GGUF four")
    (folder / "tiny.Q8_0.gguf").write_bytes(b"GGUF eight")
    return folder


@pytest.fixture
def llama(environment: dict[str, str], llama_server: str, gguf: Path) -> Iterator[Callable[..., LlamaCpp]]:
    made: list[LlamaCpp] = []

    def make(model: Path = gguf / "tiny.Q8_0.gguf", **options: Any) -> LlamaCpp:
        made.append(LlamaCpp(str(model), executable=llama_server, environment=environment, **options))
        return made[-1]

    yield make
    for llm in made:
        llm.unload_model()


def test_it_answers_with_the_parameters_in_llama_cpps_words(
    llama: Callable[..., LlamaCpp], seen: Seen, gguf: Path
) -> None:
    llm = llama(max_context_length=256, threads=2, gpu_layers=-1, parallel=3, flash_attn="on", cont_batching=False)
    answer = json.loads(
        llm.run(["a"], repetition_penalty=1.5, grammar='root ::= "yes"', seed=4, max_new_tokens=5, min_p=0.1)[0]
    )
    assert answer["extra"] == {"grammar": 'root ::= "yes"', "repeat_penalty": 1.5, "min_p": 0.1}
    assert answer["seed"] == 4 and "repetition_penalty" not in answer
    line = " ".join(seen()[0]["words"])
    for words in (
        f"--model {gguf / 'tiny.Q8_0.gguf'}",
        "--ctx-size 768",
        "--threads 2",
        "--n-gpu-layers 999",
        "--parallel 3",
        "--flash-attn on",
        "--no-cont-batching",
        "--jinja",
    ):
        assert words in line


def test_a_schema_arrives_as_a_schema(llama: Callable[..., LlamaCpp]) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    answer = json.loads(llama().run(["a"], response_format=schema)[0])
    assert answer["response_format"]["schema"] == schema


def test_which_file_must_be_clear(llama: Callable[..., LlamaCpp], gguf: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"several GGUF files.*tiny.Q4_K_M.gguf, tiny.Q8_0.gguf"):
        llama(gguf).run(["a"])
    with pytest.raises(InvalidArgumentError, match="no such GGUF file"):
        llama(gguf, model_file="*Q2*").run(["a"])
    assert llama(gguf, model_file="*Q8_0.gguf").spec() == llama().spec()


def test_identity_is_the_file_and_not_where_it_lies(llama: Callable[..., LlamaCpp], gguf: Path) -> None:
    moved = gguf.parent / "moved.gguf"
    moved.write_bytes((gguf / "tiny.Q8_0.gguf").read_bytes())
    assert llama(moved).spec() == llama().spec() == llama(threads=4, gpu_layers=3, parallel=9, flash_attn="on").spec()
    assert llama(gguf / "tiny.Q4_K_M.gguf").spec() != llama().spec()
    for change in ({"max_context_length": 64}, {"chat_prompt_template": "{{prompt}}"}, {"rope_scaling": "yarn"}):
        assert llama(**change).spec() != llama().spec()


def test_the_old_name_still_works(
    environment: dict[str, str], llama_server: str, gguf: Path, llama: Callable[..., LlamaCpp]
) -> None:
    old = CTransformers(
        str(gguf), "llama", "tiny.Q8_0.gguf", 128, executable=llama_server, environment=environment, threads=1
    )
    try:
        assert json.loads(old.run(["a"])[0])["messages"] == [{"role": "user", "content": "a"}]
    finally:
        old.unload_model()
    assert old.spec() == llama(max_context_length=128).spec()


def test_without_a_server_the_error_says_what_to_install(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingDependencyError, match="neither llama-server nor llama-cpp-python is installed"):
        LlamaCpp(str(gguf / "tiny.Q8_0.gguf")).run(["a"])
