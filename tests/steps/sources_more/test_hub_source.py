"""HFHubDataSource with the real `huggingface_hub` client, at a server on loopback that speaks that much of the Hub."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def parquet(start: int, rows: int) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"n": pa.array(range(start, start + rows), pa.int32())}), buffer)
    return buffer.getvalue()


README = b"""---
license: cc-by-4.0
---
**Homepage:** https://example.org/rows

```bibtex
@misc{rows, title={Rows}}
```
"""
FIRST, SECOND = "a" * 40, "b" * 40
FILES = {
    "README.md": README,
    "data/train-00000-of-00002.parquet": parquet(0, 2),
    "data/train-00001-of-00002.parquet": parquet(2, 1),
    "data/test-00000-of-00001.parquet": parquet(9, 1),
}
LINES = {"README.md": b"", "en/a.jsonl.gz": gzip.compress(b'{"n": 1}\n{"n": 2}\n'), "fr/a.jsonl": b'{"n": 3}\n'}
CONFIGS = [{"config_name": name, "data_files": f"{name}/*"} for name in ("en", "fr")]
OTHERS = {  # repositories of one commit: their files and cards
    "me/lines": (LINES, {"configs": CONFIGS, "license": "other", "license_name": "ours"}),
    "me/script": ({"script.py": b"raise SystemExit", "README.md": b""}, {}),
}
SECOND_FILES = {**FILES, "data/train-00001-of-00002.parquet": parquet(5, 1)}


class Hub(BaseHTTPRequestHandler):
    """One dataset with two commits. `main` is where a test puts it; `served` has every path that was asked for."""

    commits: ClassVar[dict[str, dict[str, bytes]]] = {FIRST: FILES, SECOND: SECOND_FILES}
    main = FIRST
    served: list[str]
    up = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        Hub.served.append(f"{self.command} {path}")
        if not Hub.up:
            self._answer(503, b"{}")
        elif path.startswith("/api/datasets/me/gated"):
            self._answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif path.startswith("/api/datasets/me/"):
            name, _, revision = path.removeprefix("/api/datasets/").partition("/revision/")
            self._info(name, revision or "main")
        elif path.startswith("/datasets/me/"):
            repository, _, rest = path.removeprefix("/datasets/").partition("/resolve/")
            commit, _, name = rest.partition("/")
            files = OTHERS[repository][0] if repository in OTHERS else Hub.commits[commit]
            self._file(files[name], commit)
        else:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _info(self, name: str, revision: str) -> None:
        commit = {"main": Hub.main}.get(revision, revision)
        if name not in ("me/rows", *OTHERS):
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif commit not in Hub.commits:
            self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            card = {"license": "cc-by-4.0", "tags": ["synthetic"]}
            files, card = OTHERS.get(name, (Hub.commits[commit], card))
            found = {
                "id": name, "sha": commit, "tags": [], "downloads": 0, "likes": 0, "private": False,
                "siblings": [{"rfilename": file} for file in files], "cardData": card,
            }  # fmt: skip
            self._answer(200, json.dumps(found).encode())

    def _file(self, body: bytes, commit: str) -> None:
        self._answer(200, body, {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": commit})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


SCRIPT = """
import json, sys, time
from datadreamer import DataDreamer
from datadreamer.steps import HFHubDataSource

for line in sys.stdin:
    folder, path, options = json.loads(line)
    started = time.monotonic()
    with DataDreamer(folder, verbose=False):
        try:
            take = options.pop("take", None)
            step = HFHubDataSource("Rows", path, **options)
            rows = (step if take is None else step.take(take)).export_to_list()
            said = {"rows": rows, "fingerprint": step.fingerprint, "types": str(getattr(step.output, "schema", ""))}
        except ValueError as error:
            said = {"error": str(error), "kind": type(error).__name__}
    print(json.dumps({**said, "seconds": time.monotonic() - started}), flush=True)
"""


class Reader:
    """A process that reads datasets from the server of this module: the client learns its address when it starts."""

    def __init__(self, port: int, folder: Path, **environment: str) -> None:
        self.folder = folder
        given = {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(folder / "hf"), "PATH": "", **environment}
        given["PYTHONPATH"] = ":".join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT], env=given, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def read(self, path: str = "me/rows", output: str = "output", **options: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        Hub.served = []
        self.process.stdin.write(json.dumps([str(self.folder / output), path, options]) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def reader(server: ThreadingHTTPServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    made = Reader(server.server_port, tmp_path_factory.mktemp("hub"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def as_at_first() -> None:
    Hub.main, Hub.up = FIRST, True


def numbers(said: dict[str, Any]) -> list[int]:
    assert "rows" in said, said
    return [row["n"] for row in said["rows"]]


def test_a_split_is_read_and_its_commit_licence_and_citation_are_recorded(reader: Reader) -> None:
    said = reader.read(split="train", output="recorded", token="hf_secretsecretsecret")
    assert numbers(said) == [0, 1, 2]
    assert said["types"].startswith("n: int32")
    text = (reader.folder / "recorded" / "rows" / "step.json").read_text()
    source = json.loads(text)["sources"][0]
    assert (source["uri"], source["split"], source["revision"]) == ("me/rows", "train", FIRST)
    assert source["license"]["id"] == "cc-by-4.0"
    assert source["citations"] == ["@misc{rows, title={Rows}}"]
    assert source["homepage"] == "https://example.org/rows"
    assert source["synthetic"] is True
    assert "hf_secret" not in text


def test_a_branch_that_moved_is_read_again_and_one_that_did_not_is_not(reader: Reader) -> None:
    first = reader.read(split="train", output="moving")
    again = reader.read(split="train", output="moving")
    assert again["fingerprint"] == first["fingerprint"]
    assert Hub.served == ["GET /api/datasets/me/rows"]
    Hub.main = SECOND
    assert numbers(reader.read(split="train", output="moving")) == [0, 1, 5]


def test_a_commit_that_is_known_asks_the_hub_nothing(reader: Reader) -> None:
    assert numbers(reader.read(split="test", revision=FIRST, output="pinned")) == [9]
    assert numbers(reader.read(split="train", revision=FIRST, output="pinned")) == [0, 1, 2]
    assert not any("/api/" in path for path in Hub.served)
    reader.read(split="train", revision=FIRST, output="pinned")
    assert Hub.served == []


def test_a_hub_that_is_down_leaves_the_last_known_commit(reader: Reader) -> None:
    assert numbers(reader.read(split="train", output="down")) == [0, 1, 2]
    Hub.up, Hub.main = False, SECOND
    assert numbers(reader.read(split="train", output="down")) == [0, 1, 2]
    assert "HTTP 503" in reader.read(split="train", output="never asked before")["error"]


def test_streaming_downloads_only_what_is_read(reader: Reader) -> None:
    Hub.main = SECOND
    said = reader.read(split="train", streaming=True, take=2, output="streamed")
    assert numbers(said) == [0, 1]
    assert not any("train-00001" in path for path in Hub.served)
    assert numbers(reader.read(split="train", streaming=True, output="streamed")) == [0, 1, 5]


def test_configurations_of_packed_json_lines_are_read(reader: Reader) -> None:
    assert numbers(reader.read("me/lines", config_name="en", output="lines")) == [1, 2]
    assert numbers(reader.read("me/lines", config_name="fr", output="lines", streaming=True)) == [3]
    source = json.loads((reader.folder / "lines" / "rows" / "step.json").read_text())["sources"][0]
    assert (source["config"], source["split"], source["license"]["text"]) == ("en", "train", "ours")
    assert "several configurations ('en', 'fr')" in reader.read("me/lines")["error"]


def test_code_from_the_hub_is_never_run(reader: Reader) -> None:
    said = reader.read("me/script", trust_remote_code=True)["error"]
    assert "code from the Hub is never run" in said
    assert "revision='refs/convert/parquet'" in said


def test_what_cannot_be_read_is_said_in_words(reader: Reader) -> None:
    several = reader.read()
    assert "it has several splits ('test', 'train'): choose one, for example split='test'" in several["error"]
    assert "'me/nothing' on the Hugging Face Hub does not exist" in reader.read("me/nothing")["error"]
    assert "'me/gated' on the Hugging Face Hub is gated" in reader.read("me/gated")["error"]
    assert "has no revision 'v9'" in reader.read(revision="v9")["error"]
    assert "is no name on the Hugging Face Hub" in reader.read("not/a/name")["error"]
    assert "no option 'colums'. Did you mean 'columns'" in reader.read(split="train", colums=["n"])["error"]


def test_without_a_way_to_the_hub_the_error_is_quick_and_clear(tmp_path: Path) -> None:
    unreachable = Reader(9, tmp_path)  # the discard port: nobody listens
    said = unreachable.read(split="train")
    unreachable.close()
    assert "the Hub cannot be reached" in said["error"]
    offline = Reader(9, tmp_path, HF_HUB_OFFLINE="1")
    said = offline.read(split="train")
    offline.close()
    assert "because HF_HUB_OFFLINE is set" in said["error"]
    assert said["seconds"] < 10
