"""A bit that flips on the disk costs the answer it is in, and never gives a wrong one."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datadreamer.errors import DamagedFileError
from datadreamer.ledger import CallRecord, Ledger, Loss, StepEvent, recover, rows

Key = Callable[[int], bytes]
Call = Callable[..., CallRecord]
CALLS = 60
FLIPS = 250


@pytest.fixture
def path(tmp_path: Path, key: Key, call: Call) -> Path:
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        for number in range(CALLS):
            ledger.put_call(key(number), made(call, number))
    return tmp_path / "l.sqlite"


def made(call: Call, number: int) -> CallRecord:
    cost = None if number % 3 else 0.25
    text = f"an answer, größer {number} " * 5
    return call(number, text=text, model="m", served_model="m-1", extra={"refusal": None}, cost_usd=cost)


def change(path: Path, sql: str, *values: Any) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute(sql, values).rowcount == 1
    connection.commit()
    connection.close()


def test_a_flipped_bit_never_gives_a_wrong_answer(path: Path, key: Key, call: Call) -> None:
    whole, flips, lost, refused = path.read_bytes(), random.Random(3), 0, 0
    for _ in range(FLIPS):
        content = bytearray(whole)
        content[flips.randrange(100, len(content))] ^= 1 << flips.randrange(8)
        path.write_bytes(content)
        try:
            with Ledger.open(path, readonly=True) as ledger:
                found = ledger.get_calls([key(number) for number in range(CALLS)])
        except DamagedFileError:
            refused += 1
            continue
        lost += CALLS - len(found)
        for number in range(CALLS):
            assert found.get(key(number)) in (None, made(call, number))
    assert lost > FLIPS / 10, "many bits belong to an answer"
    assert refused < FLIPS / 4, "whose loss is the loss of nothing else"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("text", "an answer"),
        ("text", b"\xff\xfe not text"),
        ("response", b"{}"),
        ("request", b"{}"),
        ("served_model", "another"),
        ("output_tokens", 7_000),
        ("cost_usd", 0.5),
        ("sample", "a word"),
    ],
)
def test_a_damaged_answer_is_named_left_out_and_dropped(
    path: Path, key: Key, call: Call, column: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cell = "CAST(? AS TEXT)" if value == b"\xff\xfe not text" else "?"
    change(path, f"UPDATE calls SET {column} = {cell} WHERE key = ?", value, key(5))
    with Ledger.open(path) as ledger:
        found = ledger.get_calls([key(number) for number in range(CALLS)])
        assert set(found) == {key(number) for number in range(CALLS) if number != 5}
        assert f"ddr1:{key(5).hex()} of step 'Ask'" in caplog.text and "datadreamer rescue" in caplog.text
        assert len(list(ledger.calls())) == CALLS - 1
        with pytest.raises(DamagedFileError, match=f"ddr1:{key(5).hex()} of step 'Ask' is not what was written"):
            ledger.check()
        ledger.put_call(key(5), made(call, 5))  # asked again
        assert ledger.get_calls([key(5)]) == {key(5): made(call, 5)}
        ledger.check()
    change(path, f"UPDATE calls SET {column} = {cell} WHERE key = ?", value, key(6))
    assert recover(path).kept["calls"] == CALLS - 1
    with Ledger.open(path) as ledger:
        ledger.check()


def test_answers_without_a_sum_are_read_as_they_are(path: Path, key: Key, call: Call) -> None:
    change(path, "UPDATE calls SET packed = 0 WHERE key = ?", key(5))
    with Ledger.open(path) as ledger:
        ledger.check()
        assert ledger.get_calls([key(5)]) == {key(5): made(call, 5)}


def test_numbers_of_other_types_are_no_damage(tmp_path: Path, key: Key, call: Call) -> None:
    with Ledger.open(tmp_path / "other.sqlite") as ledger:
        ledger.put_call(key(0), call(0, started=5, ended=7, cost_usd=0, attempts=True, sample=2.0, extra={"a": 1}))
        ledger.put_call(key(1), call(1, text="half \ud800 a pair", response=b"x" * 40_000, request=b"y" * 40_000))
        ledger.flush()
        ledger.check()
        assert len(ledger.get_calls([key(0), key(1)])) == 2


def test_damage_in_events_and_losses_is_named_by_check_and_hides_nothing_else(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.put_step(StepEvent(step="Ask", kind="started", view={"a": 1}))
        ledger.put_loss(Loss(step="Ask", row=3, reason="error"))
        ledger.memo_put("kind", "key", "value")
    change(path, "UPDATE events SET view = '{\"a\": '")
    change(path, "UPDATE losses SET data = CAST(? AS TEXT)", b"\xff")
    change(path, "UPDATE memo SET value = '\"val'")
    with Ledger.open(path) as ledger:
        assert [event.view for event in ledger.steps()] == [None]
        assert [(loss.row, loss.data) for loss in ledger.losses()] == [(3, {})]
        assert ledger.memo_get("kind", "key") is None
        with pytest.raises(
            DamagedFileError, match=r"row 1 of table events.*row 1 of table losses.*row 1 of table memo"
        ):
            ledger.check()


def test_a_sum_leaves_room_for_what_else_the_column_says() -> None:
    assert rows._CHECKED < 1 << rows._CRC_SHIFT
