"""vLLM's server as a process of ours. A real process that speaks its protocol stands in for it."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datadreamer import _context
from datadreamer.bundled import toy_model_path
from datadreamer.errors import InvalidArgumentError, MissingDependencyError, PermanentModelError
from datadreamer.llms import VLLM, ParallelLLM, Regex

Seen = Callable[[], list[dict[str, Any]]]
TOY = toy_model_path()


@pytest.fixture
def vllm(environment: dict[str, str]) -> Iterator[Callable[..., VLLM]]:
    made: list[VLLM] = []

    def make(model: str = TOY, **options: Any) -> VLLM:
        more = options.pop("environment", {})
        made.append(VLLM(model, python=sys.executable, environment={**environment, **more}, **options))
        return made[-1]

    yield make
    for llm in made:
        llm.unload_model()


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def after(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.05)
    return condition()


def test_it_starts_at_the_first_question_and_answers_in_order(vllm: Callable[..., VLLM], seen: Seen) -> None:
    llm = vllm()
    llm.check()
    assert not seen()
    answers = [json.loads(text) for text in llm.run([f"p{n}" for n in range(50)], max_new_tokens=5, seed=3, top_k=7)]
    assert [one["messages"][0]["content"] for one in answers] == [f"p{n}" for n in range(50)]
    assert answers[0]["seed"] == 3 and answers[0]["extra"] == {"top_k": 7}
    (told,) = seen()
    words = told["words"]
    assert words[words.index("--model") + 1] == TOY and words[words.index("--host") + 1] == "127.0.0.1"


def test_unloading_ends_the_server_and_its_workers(vllm: Callable[..., VLLM], seen: Seen) -> None:
    llm = vllm()
    llm.start()
    (told,) = seen()
    assert not gone(told["pid"]) and not gone(told["worker"])
    llm.unload_model()
    assert gone(told["pid"]) and gone(told["worker"])
    assert llm.run(["again"]) and len(seen()) == 2  # the next question starts it again


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_ends_when_its_owner_is_killed(environment: dict[str, str], number: int, seen: Seen) -> None:
    script = f"""if True:
        import time
        from datadreamer.llms import VLLM
        llm = VLLM({TOY!r}, python={sys.executable!r})
        llm.generate("a")
        print("ready", flush=True)
        time.sleep(60)
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, **environment}, text=True
    )
    with owner:
        assert owner.stdout is not None and owner.stdout.readline() == "ready\n"
        (told,) = seen()
        owner.send_signal(number)
        owner.wait(10)
    assert after(15, lambda: gone(told["pid"]) and gone(told["worker"]))


def test_the_server_ends_when_its_launcher_is_killed(vllm: Callable[..., VLLM], seen: Seen) -> None:
    llm = vllm()
    llm.start()
    (told,) = seen()
    assert llm._live_server is not None and llm._live_server._launcher is not None
    llm._live_server._launcher.kill()
    assert after(10, lambda: gone(told["pid"]))


def test_a_server_that_does_not_start_says_why(vllm: Callable[..., VLLM]) -> None:
    with pytest.raises(
        PermanentModelError, match=r"(?s)ended with exit code 1. Its log .*CUDA out of memory"
    ) as caught:
        vllm(environment={"FAKE_FAILS": "1"}).run(["a"])
    assert "names:\nValueError: Available memory on node 0 is less than desired\nand ends with" in str(caught.value)


def test_a_server_that_is_not_ready_in_time_is_ended(vllm: Callable[..., VLLM]) -> None:
    llm = vllm(environment={"FAKE_LOADS_FOR": "60"}, start_timeout=3.0)
    with pytest.raises(PermanentModelError, match="was not ready after 3 seconds"):
        llm.run(["a"])
    assert llm._live_server is not None and not llm._live_server.running


def test_a_server_that_dies_stops_the_run_with_its_last_words_and_starts_again(vllm: Callable[..., VLLM]) -> None:
    llm = vllm()
    with pytest.raises(PermanentModelError, match=r"(?s)exit code 139.*Segmentation fault"):
        llm.run(["a", "die"])
    assert json.loads(llm.generate("b").text)["messages"][0]["content"] == "b"


def test_remembered_answers_need_no_server(vllm: Callable[..., VLLM], seen: Seen, scope: _context.StepScope) -> None:
    texts = vllm().run(["a", "b"])
    assert VLLM(TOY).run(["a", "b"]) == texts and len(seen()) == 1


def test_what_an_answer_is_decoded_by_arrives_in_vllms_words(vllm: Callable[..., VLLM]) -> None:
    llm = vllm()
    guided = json.loads(llm.run(["a"], guided_choice=["yes", "no"])[0])
    assert guided["extra"] == {"structured_outputs": {"choice": ["yes", "no"]}}
    pattern = {"type": "regex", "pattern": "[0-9]+"}
    assert json.loads(llm.run(["a"], response_format=pattern)[0])["extra"] == {
        "structured_outputs": {"regex": "[0-9]+"}
    }
    assert Regex is not None and llm.output_dialect is not None


def test_arguments_become_the_command_line(vllm: Callable[..., VLLM], seen: Seen) -> None:
    llm = vllm(
        device=["cuda:2", 3],
        dtype="bfloat16",
        quantization="fp8",
        chat_prompt_template="<user>{{prompt}}<model>",
        max_model_len=512,
        enforce_eager=True,
        enable_prefix_caching=False,
        hf_overrides={"rope_theta": 1},
    )
    llm.start()
    (told,) = seen()
    line = " ".join(told["words"])
    assert told["devices"] == "2,3"
    for words in (
        "--tensor-parallel-size 2",
        "--dtype bfloat16",
        "--quantization fp8",
        "--max-model-len 512",
        "--enforce-eager",
        "--no-enable-prefix-caching",
        '--hf-overrides {"rope_theta": 1}',
    ):
        assert words in line
    template = Path(told["words"][told["words"].index("--chat-template") + 1]).read_text()
    assert template == "<user>{{ messages[-1]['content'] }}<model>"


def test_an_adapter_is_loaded_and_asked_by_its_name(vllm: Callable[..., VLLM], seen: Seen, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 12}))
    llm = vllm(adapter_name=str(adapter))
    assert llm.run(["a"])
    line = " ".join(seen()[0]["words"])
    assert f"--lora-modules toy_model+adapter={adapter}" in line and "--max-lora-rank 16" in line
    assert llm.spec()["adapter"] != vllm().spec()["adapter"]


def test_identity_is_what_is_served_and_not_where_and_how_fast(vllm: Callable[..., VLLM]) -> None:
    plain = vllm().spec()
    assert plain == vllm(device=1, gpu_memory_utilization=0.5, start_timeout=5.0, max_in_flight=3).spec()
    for change in (
        {"dtype": "float16"},
        {"quantization": "fp8"},
        {"max_model_len": 100},
        {"chat_prompt_template": None},
        {"system_prompt": "Be brief."},
        {"hf_overrides": {"a": 1}},
    ):
        assert vllm(**change).spec() != plain
    assert copy.deepcopy(vllm()).spec() == plain


def test_copies_on_several_devices_are_one_model(vllm: Callable[..., VLLM], seen: Seen) -> None:
    both = ParallelLLM(vllm(device=0), vllm(device=1))
    assert both.copies
    pids = {json.loads(text)["pid"] for text in both.run([f"p{n}" for n in range(100)])}
    assert len(pids) == 2 and {told["devices"] for told in seen()} == {"0", "1"}


def test_what_is_missing_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"needs vLLM, which is not installed.*python="):
        VLLM(TOY).run(["a"])
    with pytest.raises(InvalidArgumentError, match="no such interpreter"):
        VLLM(TOY, python=str(tmp_path / "none")).run(["a"])
    with pytest.raises(InvalidArgumentError, match="there is no folder"):
        VLLM("no/such/model/here", python=sys.executable).run(["a"])
    with pytest.raises(InvalidArgumentError, match="sets 'port' of its server itself"):
        VLLM(TOY, port=3)
    with pytest.raises(InvalidArgumentError, match="a device is"):
        VLLM(TOY, device="tpu")
