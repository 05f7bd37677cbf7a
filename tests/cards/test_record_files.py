import json
import subprocess
import sys

import msgspec
import pytest
from sample_records import sample_run, source_step, trainer

from datadreamer.cards import (
    RECORD_VERSION,
    RunRecord,
    StepRecord,
    decode_record,
    encode_record,
    read_run,
    read_step,
    read_trainer,
    write_record,
)
from datadreamer.cards.schema import first_error, generated, shipped
from datadreamer.errors import DamagedFileError, NewerVersionError


def test_the_shipped_schema_is_that_of_the_structs():
    assert shipped() == generated(), "run: python -m datadreamer.cards.schema"


def test_records_come_back_as_they_were_written(tmp_path, run):
    write_record(tmp_path / "datadreamer.json", run)
    write_record(tmp_path / "step.json", run.steps[0])
    write_record(tmp_path / "trainer.json", run.trainers[0])
    assert read_run(tmp_path) == run
    assert read_step(tmp_path) == run.steps[0]
    assert read_trainer(tmp_path / "trainer.json") == run.trainers[0]


def test_a_realistic_record_matches_the_schema_read_by_another_validator(run):
    assert first_error(json.loads(encode_record(run))) is None


def test_a_metric_that_is_not_a_number_can_be_written_and_read():
    record = trainer()
    record.metrics["eval_loss"] = float("nan")
    assert decode_record(encode_record(record), type(record)).metrics["eval_loss"] is None


def test_a_field_of_a_newer_minor_version_is_no_reason_to_refuse():
    document = json.loads(encode_record(source_step())) | {"added_later": 1}
    assert decode_record(json.dumps(document).encode(), StepRecord).name == "Papers"


def test_a_record_of_a_newer_version_is_refused_with_the_cure(tmp_path, run):
    document = json.loads(encode_record(run)) | {"format_version": RECORD_VERSION + 1, "steps": "of another shape"}
    (tmp_path / "datadreamer.json").write_text(json.dumps(document))
    with pytest.raises(NewerVersionError, match=rf"version {RECORD_VERSION + 1}.*pip install --upgrade"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '"text"', '{"library_version": 3}'])
def test_a_damaged_record_is_named(tmp_path, text):
    (tmp_path / "datadreamer.json").write_text(text)
    with pytest.raises(DamagedFileError, match=r"datadreamer\.json"):
        read_run(tmp_path)


def test_the_place_of_a_wrong_value_is_named(tmp_path, run):
    document = json.loads(encode_record(run))
    document["steps"][1]["rows"]["output"] = "many"
    with pytest.raises(DamagedFileError, match=r"\$\.steps\[1\]\.rows\.output: 'many' is not of type 'integer'"):
        decode_record(json.dumps(document).encode(), RunRecord)


def test_a_record_that_does_not_match_the_schema_is_not_written(tmp_path):
    record = sample_run()
    record.steps[0].determinism.level = "D9"
    with pytest.raises(DamagedFileError, match="D9"):
        write_record(tmp_path / "datadreamer.json", record)
    assert not (tmp_path / "datadreamer.json").exists()


def test_a_missing_record_says_how_to_make_it(tmp_path):
    with pytest.raises(DamagedFileError, match=r"step\.json.*Run the workflow again"):
        read_step(tmp_path / "step.json")


def test_rows_balance_only_when_all_are_accounted_for(run):
    assert all(step.rows.balanced for step in run.steps)
    run.steps[0].rows.output -= 1
    assert not run.steps[0].rows.balanced


def test_importing_the_room_loads_the_standard_library_only():
    code = (
        "import sys, datadreamer.cards; print([name for name in "
        "('msgspec', 'huggingface_hub', 'jsonschema', 'yaml', 'pyarrow') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_reading_a_step_record_loads_no_validator_and_no_hub(tmp_path):
    (tmp_path / "step.json").write_bytes(msgspec.json.encode(source_step()))
    code = (
        "import sys; from datadreamer.cards import read_step; read_step(sys.argv[1]); "
        "print([name for name in ('huggingface_hub', 'jsonschema', 'yaml', 'pyarrow') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
