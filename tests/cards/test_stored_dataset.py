from sample_records import sample_run, step

from datadreamer.cards import croissant_json, data_card, output_columns, read_run, write_record
from datadreamer.datasets import DatasetWriter


def test_the_record_of_a_stored_dataset_becomes_a_card(tmp_path):
    writer = DatasetWriter(tmp_path / "_dataset", step="Stored")
    for number in range(3):
        writer.append({"text": f"row {number}", "count": number, "scores": {"values": [1.5]}})
    info = writer.finish()
    columns = output_columns(info, declared={"text": "inputs"}, origins={"text": "source"})
    assert [(column.name, column.type, column.declared) for column in columns] == [
        ("text", "string", "inputs"),
        ("count", "int64", None),
        ("scores", "struct<values: list<item: double>>", None),
    ]
    record = step("Stored", "Read", 1, 3, dataset=info.to_json(), outputs=columns)
    assert record.digest == info.digest
    run = sample_run(steps=[record], trainers=[])
    write_record(tmp_path / "datadreamer.json", run)
    assert data_card(read_run(tmp_path), "Stored") == data_card(run, "Stored")
    field = croissant_json(run, "Stored", [])["recordSet"][0]["field"][2]
    assert field["subField"][0]["dataType"] == "cr:Float64"
