"""What was answered is never asked again, with a real ledger on disk and a real server."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, answer

import datadreamer
from datadreamer import _context
from datadreamer.errors import ModelError
from datadreamer.ledger import Ledger
from datadreamer.llms import Chat, FakeLLM, OpenAI

counter = itertools.count()


async def numbered(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
    """Every answer is another one, as a model's at temperature 1 is."""
    await asyncio.sleep(0.001 * (number % 7))
    return answer(f"answer {next(counter)} to {body['messages'][-1]['content']}")


def test_a_rerun_asks_nothing_and_gives_the_same(server: Server, scope: _context.StepScope) -> None:
    server.behaviour = numbered
    prompts = [f"p{n}" for n in range(50)]
    first = OpenAI("m", base_url=server.url).run(prompts)
    again = OpenAI("m", base_url=server.url).run(prompts)
    assert again == first
    assert len(server.requests) == 50
    assert (scope.stats.calls, scope.stats.hits) == (50, 50)


def test_a_rerun_needs_neither_key_nor_server(ledger: Ledger, scope: _context.StepScope) -> None:
    with Server() as server:
        llm = OpenAI("m", base_url=server.url)
        first = llm.run(["a", "b"])
    assert llm.run(["a", "b"]) == first


def test_the_same_prompt_n_times_gives_n_draws_and_the_same_n_draws_again(
    server: Server, scope: _context.StepScope
) -> None:
    server.behaviour = numbered
    llm = OpenAI("m", base_url=server.url)
    first = llm.run(["p"] * 20)
    assert len(set(first)) == 20
    assert llm.run(["p"] * 20) == first
    assert llm.run(["p"] * 25)[:20] == first
    assert len(server.requests) == 25


def test_draws_are_numbered_across_prompts_and_n(server: Server, scope: _context.StepScope) -> None:
    server.behaviour = numbered
    llm = OpenAI("m", base_url=server.url)
    single = llm.run(["p", "q", "p", "p"])
    (pair, more) = llm.run(["p", "p"], n=2)
    assert [*pair, *more][:3] == [single[0], single[2], single[3]]
    assert len(server.requests) == 5


def test_a_draw_can_be_asked_for_by_number(server: Server, scope: _context.StepScope) -> None:
    server.behaviour = numbered
    llm = OpenAI("m", base_url=server.url)
    draws = llm.run(["p"] * 3)
    chats = [Chat([{"role": "user", "content": "p"}], sample=number) for number in (2, 0, 1)]
    assert llm.run(chats) == [draws[2], draws[0], draws[1]]
    assert llm.generate("p", sample=1).text == draws[1]
    assert len(server.requests) == 3


def test_at_temperature_0_equal_prompts_share_one_answer(server: Server, scope: _context.StepScope) -> None:
    server.behaviour = numbered
    texts = OpenAI("m", base_url=server.url).run(["p"] * 10, temperature=0)
    assert len(set(texts)) == 1
    assert len(server.requests) == 1
    assert (scope.stats.calls, scope.stats.hits) == (1, 9)


def test_a_seed_differs_for_every_draw(server: Server) -> None:
    OpenAI("m", base_url=server.url).run(["p"] * 3, seed=40)
    assert sorted(seen.json["seed"] for seen in server.requests) == [40, 41, 42]


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5},
        {"top_p": 0.9},
        {"max_new_tokens": 10},
        {"stop": "x"},
        {"seed": 1},
        {"logit_bias": {5: 1.0}},
        {"frequency_penalty": 0.1},
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"extra_body": {"x": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_parameter_counts(server: Server, scope: _context.StepScope, change: dict[str, Any]) -> None:
    llm = OpenAI("m", base_url=server.url)
    llm.run(["p"])
    llm.run(["p"], **change)
    assert len(server.requests) == 2


def test_model_system_prompt_and_address_count(server: Server, scope: _context.StepScope) -> None:
    with Server() as other:
        for llm in (
            OpenAI("m", base_url=server.url),
            OpenAI("m2", base_url=server.url),
            OpenAI("m", system_prompt="Be brief.", base_url=server.url),
            OpenAI("m", system_prompt="", base_url=server.url),
            OpenAI("m", base_url=other.url),
        ):
            llm.run(["p"])
        assert (len(server.requests), len(other.requests)) == (4, 1)


def test_keys_timeouts_concurrency_and_progress_do_not_count(server: Server, scope: _context.StepScope) -> None:
    OpenAI("m", base_url=server.url).run(["p"])
    other = OpenAI("m", base_url=server.url + "/", api_key="sk-1", timeout=5, max_in_flight=2, organization="o")
    other.run(["p"], batch_size=2, progress_interval=None, total_num_prompts=9)
    assert len(server.requests) == 1


def test_force_asks_again_and_the_new_answer_takes_the_place(server: Server, scope: _context.StepScope) -> None:
    server.behaviour = numbered
    llm = OpenAI("m", base_url=server.url)
    old = llm.run(["p"])
    new = llm.run(["p"], force=True)
    assert new != old
    assert llm.run(["p"]) == new


def test_cache_only_never_asks(server: Server, scope: _context.StepScope) -> None:
    llm = OpenAI("m", base_url=server.url)
    llm.run(["known"])
    assert llm.run(["known"], cache_only=True) == ["echo known"]
    with pytest.raises(ModelError, match="no remembered answer to: 'new'"):
        llm.run(["known", "new"], cache_only=True)
    assert len(server.requests) == 1


def test_what_is_recorded_is_the_whole_answer_and_what_the_key_is_made_of(
    server: Server, scope: _context.StepScope, ledger: Ledger
) -> None:
    import json

    from datadreamer import identity

    before = time.time()
    generation = OpenAI("m", base_url=server.url, api_key="sk-secret").generate("p", temperature=0.5)
    [(key, record)] = ledger.calls()
    assert key == generation.key == identity.request_key(json.loads(record.request))
    assert record.response == generation.response
    assert json.loads(record.response)["choices"][0]["message"]["content"] == "echo p"
    assert (record.step, record.model, record.served_model) == ("Ask", "m", "served-model-1")
    assert (record.host, record.response_id, record.system_fingerprint) == ("127.0.0.1", "chatcmpl-1", "fp_1")
    usage = record.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (10, 5, 4, 2)
    assert before <= record.started <= record.ended <= time.time()
    assert (record.finish_reason, record.attempts, record.sample) == ("stop", 1, 0)
    assert b"sk-secret" not in record.request + record.response


def test_a_remembered_generation_is_the_one_that_was_given(server: Server, scope: _context.StepScope) -> None:
    from msgspec.structs import replace

    llm = OpenAI("m", base_url=server.url)
    first, again = llm.generate("p"), llm.generate("p")
    assert not first.cached
    assert again == replace(first, cached=True)


def test_counters_and_models_are_those_of_the_step(server: Server, scope: _context.StepScope) -> None:
    llm = OpenAI("m", base_url=server.url)
    llm.run(["a", "b"])
    stats = scope.stats
    assert (stats.input_tokens, stats.output_tokens, stats.cached_tokens, stats.reasoning_tokens) == (20, 10, 8, 4)
    assert stats.cost_usd is None  # the price of a server of one's own is not known
    assert scope.models == {"OpenAI (m)": {"spec": llm.spec(), "served": {"served-model-1": 2}}}


def test_models_of_the_same_name_are_told_apart(server: Server, scope: _context.StepScope) -> None:
    for system_prompt in ("A", "B", "A"):
        OpenAI("m", system_prompt=system_prompt, base_url=server.url).run(["p", "q"])
    assert [(name, entry["spec"]["system_prompt"]) for name, entry in scope.models.items()] == [
        ("OpenAI (m)", "A"),
        ("OpenAI (m) #2", "B"),
    ]


def test_another_served_model_within_a_step_is_a_warning(
    server: Server, scope: _context.StepScope, caplog: pytest.LogCaptureFixture
) -> None:
    async def changing(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return answer("ok", model="new" if number else "old")

    server.behaviour = changing
    llm = OpenAI("m", base_url=server.url)
    for prompt in "abc":
        llm.generate(prompt)
    assert [record.getMessage() for record in caplog.records] == [
        "OpenAI (m): answers now come from 'new'; earlier ones of this step came from 'old'."
    ]


def test_requests_that_are_equal_and_under_way_are_asked_once(server: Server, scope: _context.StepScope) -> None:
    async def slow(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        return answer(f"{number}")

    server.behaviour = slow
    llm = OpenAI("m", base_url=server.url)

    async def many() -> list[str]:
        return [one.text for one in await asyncio.gather(*(llm.agenerate("p") for _ in range(10)))]

    assert asyncio.run(many()) == ["0"] * 10
    assert len(server.requests) == 1


def test_cancelling_one_of_two_who_wait_for_the_same_answer_leaves_the_other_its_answer(
    server: Server, scope: _context.StepScope
) -> None:
    async def slow(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return answer("ok")

    server.behaviour = slow
    llm = OpenAI("m", base_url=server.url)
    first = llm.outcomes(["p", "q"])

    async def two() -> str:
        other = asyncio.create_task(llm.agenerate("p"))
        impatient = asyncio.create_task(llm.agenerate("p"))
        await asyncio.sleep(0.1)
        impatient.cancel()
        return (await other).text

    reader = threading.Thread(target=next, args=(first,))
    reader.start()
    assert asyncio.run(two()) == "ok"
    reader.join(5)
    assert sorted(server.prompts) == ["p", "q"]


def test_a_folder_shares_answers_between_projects(server: Server, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    texts = []
    for project in ("one", "two"):
        ledger = Ledger.open(tmp_path / f"{project}.sqlite")
        with _context.running(_context.StepScope("s", "", ledger)):
            texts.append(OpenAI("m", base_url=server.url, cache_folder_path=shared).run(["p"]))
        assert len(list(ledger.calls())) == 1  # each project's own record is whole
        ledger.close()
    assert len(server.requests) == 1
    assert texts[0] == texts[1]


def test_without_a_session_everything_works_and_nothing_is_remembered(server: Server) -> None:
    llm = OpenAI("m", base_url=server.url)
    assert llm.run(["p"]) == llm.run(["p"]) == ["echo p"]
    assert len(server.requests) == 2


def test_a_model_that_is_told_its_answers_is_known_by_them(scope: _context.StepScope) -> None:
    llm = FakeLLM(lambda prompt: prompt.upper())
    assert llm.run(["a", "b"]) == ["A", "B"]
    same = FakeLLM(
        lambda prompt: prompt.upper()  # a comment is not another model
    )
    other = FakeLLM(lambda prompt: prompt.title())
    for model in (same, other):
        assert model.run(["a"]) == ["A"]
    assert (llm.calls, same.calls, other.calls) == (2, 0, 1)


PROGRAM = """
    import sys
    from datadreamer import _context
    from datadreamer.ledger import Ledger
    from datadreamer.llms import OpenAI

    ledger = Ledger.open(sys.argv[1])
    with _context.running(_context.StepScope("s", "", ledger)):
        llm = OpenAI("m", base_url=sys.argv[2], max_in_flight=8)
        for text in llm.run([f"p{n}" for n in range(25)], return_generator=True):
            print(text, flush=True)
    ledger.close()
"""


def ask(tmp_path: Path, url: str) -> subprocess.Popen[str]:
    source = str(Path(datadreamer.__path__[0]).parent)
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path / "crash.sqlite"), url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )


def test_a_killed_run_asks_again_only_for_what_had_not_arrived(server: Server, tmp_path: Path) -> None:
    answered: list[str] = []

    async def seventeen(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        prompt = body["messages"][-1]["content"]
        if len(answered) >= 17:
            await asyncio.sleep(3600)
        answered.append(prompt)
        return answer(f"answer {next(counter)}")

    server.behaviour = seventeen
    program = ask(tmp_path, server.url)
    while len(answered) < 17:
        time.sleep(0.01)
    time.sleep(0.15)  # an answer received 100 ms before the end is never asked for again
    program.send_signal(signal.SIGKILL)
    program.wait(10)
    server.requests.clear()
    server.behaviour = numbered
    out, err = ask(tmp_path, server.url).communicate(timeout=30)
    assert len(out.splitlines()) == 25, err
    assert sorted(server.prompts) == sorted({f"p{n}" for n in range(25)} - set(answered))
    assert len(server.requests) == 8


def test_a_program_ends_without_warnings_about_open_connections(server: Server, tmp_path: Path) -> None:
    code = f"from datadreamer.llms import OpenAI; print(OpenAI('m', base_url={server.url!r}).run(['a', 'b']))"
    source = str(Path(datadreamer.__path__[0]).parent)
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert done.stdout == "['echo a', 'echo b']\n"
    assert not re.search("unclosed|warning|never awaited|destroyed", done.stderr, re.IGNORECASE), done.stderr


def test_importing_the_room_loads_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import datadreamer.llms; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    source = str(Path(datadreamer.__path__[0]).parent)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source}
    )
    assert done.stdout == "['datadreamer']\n", done.stderr


def test_ctrl_c_ends_at_once_and_keeps_what_arrived(server: Server, tmp_path: Path) -> None:
    async def some(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if number >= 10:
            await asyncio.sleep(3600)
        return answer("ok")

    server.behaviour = some
    program = ask(tmp_path, server.url)
    while len(server.requests) < 12:
        time.sleep(0.01)
    time.sleep(0.1)
    started = time.monotonic()
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=20)
    assert time.monotonic() - started < 5
    assert "KeyboardInterrupt" in err
    ledger = Ledger.open(tmp_path / "crash.sqlite", readonly=True)
    assert len(list(ledger.calls())) == 10
    ledger.close()
