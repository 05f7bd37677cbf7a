"""What is put into the ledger comes back, from memory, from the file, and after opening it again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datadreamer.errors import InvalidArgumentError, SessionError, SourceError
from datadreamer.ledger import CallRecord, Ledger, Loss, Redactor, StepEvent, Usage


def everything_filled() -> CallRecord:
    return CallRecord(
        text="Grüße \N{SNOWMAN}\x00 end",
        step="Generate abstracts",
        finish_reason="stop",
        usage=Usage(input_tokens=1, output_tokens=2, cached_tokens=3, reasoning_tokens=4),
        model="gpt-4o-mini",
        served_model="gpt-4o-mini-2024-07-18",
        provider="openai",
        host="api.openai.com",
        response_id="chatcmpl-1",
        request_id="req_2",
        system_fingerprint="fp_3",
        sample=7,
        started=1.5,
        ended=2.25,
        attempts=3,
        cost_usd=0.001,
        extra={"tool_calls": [{"name": "f", "arguments": {"x": None}}]},
        request=b'{"a":1}',
        response=bytes(range(256)),
    )


def test_every_field_survives_before_and_after_the_commit(ledger, key):
    record = everything_filled()
    ledger.put_call(key(0), record)
    assert ledger.get_calls([key(0)]) == {key(0): record}
    ledger.flush()
    assert ledger.get_calls([key(0)]) == {key(0): record}


def test_calls_are_there_when_the_file_is_opened_again(tmp_path, key, call):
    with Ledger.open(tmp_path / "deep" / "er" / "l.sqlite") as ledger:
        for number in range(1000):
            ledger.put_call(key(number), call(number))
    with Ledger.open(tmp_path / "deep" / "er" / "l.sqlite") as ledger:
        assert ledger.count_calls() == 1000
        assert ledger.get_calls([key(n) for n in range(2000)]) == {key(n): call(n) for n in range(1000)}
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == [
        "l.sqlite"
    ]  # no -wal or -shm left beside a closed ledger


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters()), lone=st.booleans(), extra=st.dictionaries(st.text(), st.text() | st.none()))
def test_any_text_that_a_model_can_answer_survives(ledger, text, lone, extra):
    record = CallRecord(text=text + ("\ud83d" if lone else ""), extra=extra)
    ledger.put_call(b"k" * 32, record)
    ledger.flush()
    assert ledger.get_calls([b"k" * 32])[b"k" * 32] == record


def test_large_answers_survive_and_take_less_room_than_they_have(ledger, key, call):
    record = call(request=b'{"token":"the same again"}' * 40000, response=b'{"logprobs":[0.25]}' * 40000)
    ledger.put_call(key(0), record)
    ledger.flush()
    assert ledger.get_calls([key(0)])[key(0)] == record
    stored = ledger._query("SELECT length(request) + length(response) FROM calls")[0][0]
    assert stored < (len(record.request) + len(record.response)) / 20


def test_an_absent_key_is_absent(ledger, key, call):
    ledger.put_call(key(1), call(1))
    assert set(ledger.get_calls([key(0), key(1), key(2)])) == {key(1)}
    assert ledger.get_calls([]) == {}


def test_the_later_answer_to_a_request_replaces_the_earlier(ledger, key, call):
    for settle in (False, True):
        ledger.put_call(key(0), call(1))
        if settle:
            ledger.flush()
        ledger.put_call(key(0), call(2))
        assert ledger.get_calls([key(0)])[key(0)] == call(2)
        ledger.flush()
        assert ledger.get_calls([key(0)])[key(0)] == call(2)
        assert ledger.count_calls() == 1


def test_calls_are_listed_in_the_order_of_their_arrival_also_over_many_pages(ledger, key, call):
    for number in range(700):
        ledger.put_call(key(number), call(number, step="even" if number % 2 == 0 else "odd"))
    assert [found for found, _ in ledger.calls()] == [key(n) for n in range(700)]
    assert [record.usage.output_tokens for _, record in ledger.calls("odd")] == list(range(1, 700, 2))
    assert list(ledger.calls("neither")) == []
    assert (ledger.count_calls(), ledger.count_calls("even"), ledger.count_calls("neither")) == (700, 350, 0)


def test_totals_add_up_by_step_and_count_the_calls_without_a_price(ledger, key, call):
    for number in range(4):
        ledger.put_call(key(number), call(number, cost_usd=None if number == 3 else 0.25))
    ledger.put_call(key(9), call(9, step="Free", cost_usd=None))
    totals = ledger.totals()
    assert list(totals) == ["Ask", "Free"]
    asked = totals["Ask"]
    assert (asked.calls, asked.input_tokens, asked.output_tokens) == (4, 40, 6)
    assert (asked.cost_usd, asked.unpriced_calls) == (0.75, 1)
    assert (asked.first_started, asked.last_ended) == (100.0, 104.0)
    assert (totals["Free"].cost_usd, totals["Free"].unpriced_calls) == (None, 1)


def test_a_call_is_found_by_its_printed_key(ledger, key, call):
    ledger.put_call(key(5), call(5))
    assert ledger.get_call(f"ddr1:{key(5).hex()}") == call(5)
    assert ledger.get_call(f"ddr1:{key(6).hex()}") is None
    for wrong in ("ddr1:abc", key(5).hex(), f"ddw1:{key(5).hex()}", "ddr1:" + "x" * 64):
        with pytest.raises(InvalidArgumentError, match="is not a request key"):
            ledger.get_call(wrong)


def test_step_events_keep_their_order_and_their_views(ledger):
    ledger.put_step(StepEvent(step="A", kind="started", fingerprint="ddw1:1", view={"x": [1, None, 0.5]}))
    ledger.put_step(StepEvent(step="A", kind="finished", fingerprint="ddw1:1", at=5.0, data={"rows": 3}))
    ledger.put_step(StepEvent(step="B", kind="failed", data={"reason": "no key"}))
    ledger.put_step(StepEvent(step="A", kind="finished", fingerprint="ddw1:2", view="\ud83d"))
    assert [(event.step, event.kind) for event in ledger.steps()] == [
        ("A", "started"),
        ("A", "finished"),
        ("B", "failed"),
        ("A", "finished"),
    ]
    assert [event.fingerprint for event in ledger.steps("A", "finished")] == ["ddw1:1", "ddw1:2"]
    started, finished = list(ledger.steps("A"))[:2]
    assert started.view == {"x": [1, None, 0.5]} and started.at > 1e9
    assert (finished.at, finished.data) == (5.0, {"rows": 3})
    assert ledger.last_step("A") == list(ledger.steps("A"))[-1]
    assert ledger.last_step("A").view == "\ud83d"
    assert ledger.last_step("B") is None and ledger.last_step("B", "failed").data == {"reason": "no key"}


def test_losses_are_counted_by_reason_and_forgotten_from_the_row_where_a_step_resumes(ledger):
    for row in range(6):
        ledger.put_loss(Loss(step="A", row=row, reason="filtered" if row % 2 else "parse", data={"row": row}))
    ledger.put_loss(Loss(step="B", row=None, reason="rate_limit", message="429", request_key="ddr1:00"))
    assert ledger.count_losses("A") == {"filtered": 3, "parse": 3}
    ledger.clear_losses("A", from_row=4)
    assert [loss.row for loss in ledger.losses("A")] == [0, 1, 2, 3]
    ledger.clear_losses("A")
    (left,) = ledger.losses()
    assert left.at > 1e9
    assert {**left.to_dict(), "at": 0} == {
        "step": "B",
        "row": None,
        "reason": "rate_limit",
        "message": "429",
        "request_key": "ddr1:00",
        "at": 0,
        "data": {},
    }


def test_derived_values_are_remembered_by_kind_and_key(ledger):
    assert ledger.memo_get("view", "a") is None
    ledger.memo_put("view", "a", {"digest": "ddc1:1"})
    ledger.memo_put("file", "a", [1, 2])
    assert ledger.memo_get("view", "a") == {"digest": "ddc1:1"}
    ledger.flush()
    ledger.memo_put("view", "a", {"digest": "ddc1:2"})
    assert ledger.memo_get("view", "a") == {"digest": "ddc1:2"}
    ledger.flush()
    assert ledger.memo_get("view", "a") == {"digest": "ddc1:2"}
    assert ledger.memo_get("file", "a") == [1, 2]


def test_a_shared_ledger_answers_what_this_one_lacks(tmp_path, key, call):
    with Ledger.open(tmp_path / "team.sqlite") as team:
        team.put_call(key(1), call(1, text="from the team"))
        team.put_call(key(2), call(2, text="from the team"))
    for copy in (False, True):
        with Ledger.open(tmp_path / f"mine-{copy}.sqlite", shared=[tmp_path / "team.sqlite"], copy_shared=copy) as mine:
            mine.put_call(key(2), call(2, text="my own"))
            found = mine.get_calls([key(n) for n in range(4)])
            assert {k: record.text for k, record in found.items()} == {key(1): "from the team", key(2): "my own"}
        with Ledger.open(tmp_path / f"mine-{copy}.sqlite") as mine:
            assert mine.count_calls() == (2 if copy else 1)
    with pytest.raises(SourceError, match=r"no ledger at .*nowhere"):
        Ledger.open(tmp_path / "mine-True.sqlite", shared=[tmp_path / "nowhere.sqlite"])


def test_a_ledger_opened_for_reading_changes_nothing(tmp_path, key, call):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path) as ledger:
        ledger.put_call(key(0), call(0))
    before = path.read_bytes()
    with Ledger.open(path, readonly=True) as reading:
        assert reading.get_calls([key(0)]) == {key(0): call(0)}
        with pytest.raises(SessionError, match="readonly=True"):
            reading.put_call(key(1), call(1))
        reading.check()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["l.sqlite"]
    with pytest.raises(SourceError, match="There is no ledger at"):
        Ledger.open(tmp_path / "none.sqlite", readonly=True)


def test_a_running_ledger_can_be_read_beside_its_writer(tmp_path, key, call):
    with Ledger.open(tmp_path / "l.sqlite") as writing, Ledger.open(tmp_path / "l.sqlite", readonly=True) as reading:
        for number in range(100):
            writing.put_call(key(number), call(number))
        writing.flush()
        assert reading.count_calls() == 100


def test_the_file_can_be_read_with_any_tool(tmp_path, key):
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        ledger.put_call(key(0), everything_filled())
    connection = sqlite3.connect(tmp_path / "l.sqlite")
    row = connection.execute("SELECT step, model, output_tokens, json_extract(CAST(request AS TEXT), '$.a') FROM calls")
    assert row.fetchone() == ("Generate abstracts", "gpt-4o-mini", 2, 1)
    connection.close()


def test_a_closed_ledger_says_so(tmp_path: Path, key, call):
    ledger = Ledger.open(tmp_path / "l.sqlite", redactor=Redactor())
    ledger.close()
    ledger.close()
    for use in (lambda: ledger.put_call(key(0), call(0)), lambda: ledger.get_calls([key(0)]), ledger.flush):
        with pytest.raises(SessionError, match="is closed"):
            use()
