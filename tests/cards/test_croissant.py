import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sample_records import sample_run, step

from datadreamer.cards import OutputColumn, PublishedFile, croissant_json
from datadreamer.cards.arrow_types import croissant_field, croissant_type, struct_members

ROWS = {
    "text": ["a", "b"],
    "score": [1.5, 2.5],
    "vector": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2)),
    "results": [{"texts": ["x"], "scores": [0.5]}, {"texts": ["y"], "scores": [0.25]}],
    "messages": [[{"role": "user", "content": "hi"}], [{"role": "user", "content": "yo"}]],
}


def published(folder: Path, parts: int):
    """A dataset of real Parquet files with its `croissant.json`, as it would be published."""
    table, files = pa.table(ROWS), []
    for at in range(parts):
        path = folder / f"part-{at}.parquet"
        pq.write_table(table, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(PublishedFile(path=path.name, size_bytes=path.stat().st_size, sha256=digest))
    columns = [OutputColumn(name=field.name, type=str(field.type)) for field in table.schema]
    record = step("Mine", "operations.MapStep", 9, 2 * parts, outputs=columns, parents=["Keep the good ones"])
    run = sample_run(steps=[*sample_run().steps, record])
    document = croissant_json(run, "Mine", files, license="CC-BY-4.0", url="https://example.com/mine", creator="Me")
    (folder / "croissant.json").write_text(json.dumps(document))
    return document


def fields(document):
    return {field["name"]: field for field in document["recordSet"][0]["field"]}


@pytest.mark.parametrize("parts", [1, 3])
def test_the_reference_library_accepts_it_and_reads_the_rows(tmp_path, parts):
    mlcroissant = pytest.importorskip("mlcroissant")
    published(tmp_path, parts)
    dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    rows = list(dataset.records("rows"))
    assert len(rows) == 2 * parts
    assert rows[0]["rows/text"] == b"a"
    assert list(rows[0]["rows/vector"]) == [1.0, 2.0]
    assert rows[0]["rows/results"] == {"rows/results/texts": [b"x"], "rows/results/scores": [0.5]}
    assert rows[0]["rows/messages"] == [{"rows/messages/role": b"user", "rows/messages/content": b"hi"}]


def test_every_id_that_is_referred_to_is_defined(tmp_path):
    document = published(tmp_path, 2)
    defined = {item["@id"] for item in document["distribution"]}
    for field in fields(document).values():
        for member in field.get("subField", [field]):
            assert member["source"]["fileSet"]["@id"] in defined
    activities = {activity["@id"] for activity in document["prov:wasGeneratedBy"]}
    informed = {use["@id"] for a in document["prov:wasGeneratedBy"] for use in a.get("prov:wasInformedBy", ())}
    assert informed < activities


def test_every_term_is_in_the_context(tmp_path):
    document = published(tmp_path, 2)
    schema_org = {"name", "description", "url", "license", "creator", "datePublished", "version", "keywords"}
    schema_org |= {"distribution", "contentUrl", "contentSize", "encodingFormat", "sha256"}
    for term in terms({key: value for key, value in document.items() if key != "@context"}):
        prefix, _, rest = term.partition(":")
        assert term.startswith("@") or term in document["@context"] or term in schema_org or rest, term
        assert not rest or prefix in document["@context"], term


def terms(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from terms(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from terms(inner)


def test_it_says_what_is_synthetic_who_made_it_and_from_what(tmp_path):
    document = published(tmp_path, 1)
    assert document["rai:hasSyntheticData"] is True
    assert document["rai:machineAnnotationTools"] == ["gpt-4o-mini"]
    assert document["prov:wasDerivedFrom"] == [
        {
            "@id": "https://huggingface.co/datasets/acl/papers",
            "@type": "prov:Entity",
            "prov:label": "NLP papers",
            "sc:version": "0123abc",
            "sc:license": "https://creativecommons.org/licenses/by-sa/4.0",
        }
    ]
    agents = document["prov:wasGeneratedBy"][1]["prov:wasAssociatedWith"]
    assert agents[0]["sc:version"] == "gpt-4o-mini-2024-07-18"
    assert fields(document)["text"]["description"] == "Written by a model: full, 2 generations deep."


def test_a_licence_that_nobody_stated_is_left_out():
    run = sample_run()
    assert "license" not in croissant_json(run, "Join", [])


@pytest.mark.parametrize(
    ("arrow", "croissant"),
    [
        (pa.string(), "sc:Text"),
        (pa.bool_(), "sc:Boolean"),
        (pa.int64(), "cr:Int64"),
        (pa.uint8(), "cr:UInt8"),
        (pa.float64(), "cr:Float64"),
        (pa.float16(), "cr:Float16"),
        (pa.timestamp("us", "UTC"), "sc:DateTime"),
        (pa.date32(), "sc:Date"),
        (pa.time64("us"), "sc:Time"),
        (pa.decimal128(9, 2), "sc:Float"),
    ],
)
def test_scalar_types_have_their_croissant_names(arrow, croissant):
    assert croissant_type(str(arrow)) == croissant


@pytest.mark.parametrize(
    ("arrow", "shape", "type_"),
    [
        (pa.list_(pa.float32(), 384), "384", "cr:Float32"),
        (pa.list_(pa.string()), "-1", "sc:Text"),
        (pa.large_list(pa.list_(pa.int8(), 3)), "-1,3", "cr:Int8"),
        (pa.list_(pa.field("item", pa.string(), nullable=False)), "-1", "sc:Text"),
    ],
)
def test_lists_have_a_shape(arrow, shape, type_):
    field = croissant_field("x", str(arrow), "rows", {})
    assert (field["arrayShape"], field["dataType"]) == (shape, type_)


def test_structures_are_taken_apart_where_they_nest():
    type_ = pa.struct({"a": pa.struct({"b": pa.decimal128(9, 2), "c": pa.list_(pa.int64())}), "d": pa.string()})
    assert [name for name, _ in struct_members(str(type_))] == ["a", "d"]
    inner = croissant_field("x", str(type_), "rows", {"fileObject": {"@id": "f"}})["subField"][0]["subField"][1]
    assert inner["@id"] == "rows/x/a/c"
    assert inner["source"]["extract"] == {"column": "x"}
    assert inner["source"]["transform"] == {"jsonPath": "a.c"}
