"""What can be read of a damaged ledger is saved, and the damaged file is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from datadreamer.errors import DamagedFileError, SourceError
from datadreamer.ledger import Ledger, Loss, StepEvent, recover, schema


@pytest.fixture
def filled(tmp_path, key, call) -> Path:
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        ledger.put_step(StepEvent(step="Ask", kind="started"))
        ledger.put_loss(Loss(step="Ask", row=1, reason="parse"))
        ledger.memo_put("view", "a", 1)
        for number in range(400):
            ledger.put_call(key(number), call(number, response=os.urandom(3000)))
    return tmp_path / "l.sqlite"


def overwrite(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


def test_rows_outside_of_damaged_pages_are_saved(filled, key, call):
    page = schema.PAGE_BYTES
    for damaged in (40, 41, 90):
        overwrite(filled, damaged * page, b"\xa5" * page)
    before = filled.read_bytes()
    recovered = recover(filled)
    assert Path(recovered.damaged_file).read_bytes() == before
    assert 380 <= recovered.kept["calls"] < 400
    assert (recovered.kept["events"], recovered.kept["losses"], recovered.kept["memo"]) == (1, 1, 1)
    with Ledger.open(filled) as ledger:
        ledger.check()
        found = ledger.get_calls([key(number) for number in range(400)])
        assert len(found) == recovered.kept["calls"]
        assert all(record.text == f"answer {record.usage.output_tokens}" for record in found.values())
        assert [event.kind for event in ledger.steps()] == ["started"]


def test_a_lost_first_page_costs_no_row(filled):
    overwrite(filled, 0, b"\0" * schema.PAGE_BYTES)
    with pytest.raises(DamagedFileError):
        Ledger.open(filled)
    assert recover(filled).kept == {"calls": 400, "events": 1, "losses": 1, "memo": 1}


def test_a_truncated_file_keeps_what_is_left(filled):
    os.truncate(filled, filled.stat().st_size // 2)
    recovered = recover(filled)
    assert 100 < recovered.kept["calls"] < 300
    with Ledger.open(filled) as ledger:
        assert ledger.count_calls() == recovered.kept["calls"]


def test_a_file_with_nothing_to_save_becomes_an_empty_ledger(tmp_path):
    (tmp_path / "l.sqlite").write_bytes(b"not a database" * 5000)
    assert set(recover(tmp_path / "l.sqlite").kept.values()) == {0}
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        assert ledger.count_calls() == 0
    with pytest.raises(SourceError, match="no file at"):
        recover(tmp_path / "none.sqlite")


def test_every_damaged_file_is_kept_under_its_own_name(filled):
    names = set()
    for _ in range(3):
        names.add(recover(filled).damaged_file)
        assert Ledger.open(filled).count_calls() == 400
    assert len(names) == 3 and all(Path(name).exists() for name in names)
