"""A Hugging Face Hub on loopback: serves datasets and models under their usual names, and takes what is published."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

COMMIT = "c" * 40
TOKEN = "hf_plantedplantedplantedplanted"


def parquet(**columns: list[Any]) -> bytes:
    """A table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def model_files(folder: Path) -> dict[str, bytes]:
    """The files of a model's folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def card_of(files: dict[str, bytes]) -> dict[str, Any]:
    """The metadata of a dataset's card: a configuration for each folder of its files, unless that is `data`."""
    parts = [path.partition("/") for path in files if path.endswith(".parquet")]
    found: dict[str, list[dict[str, str]]] = {}
    for folder, _, name in parts:
        if folder != "data":
            found.setdefault(folder, []).append({"split": name.partition("-")[0], "path": f"{folder}/{name}"})
    configs = [{"config_name": folder, "data_files": splits} for folder, splits in found.items()]
    return {"license": "apache-2.0", **({"configs": configs} if configs else {})}


class LoopbackHub:
    """Use as a context manager.

    Attributes:
        datasets, models: repository name to its files.
        published: what was committed: (repository type, name, paths).
        requests: method and path of everything that was asked for.
    """

    def __init__(self, datasets: dict[str, dict[str, bytes]], models: dict[str, dict[str, bytes]]) -> None:
        self.datasets, self.models = datasets, models
        self.published: list[tuple[str, str, set[str]]] = []
        self.requests: list[str] = []

    def __enter__(self) -> LoopbackHub:
        hub = self

        class Handler(_Handler):
            of = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    of: LoopbackHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.of.requests.append(f"{self.command} {path}")
        if path.startswith("/api/"):
            self._about(path.removeprefix("/api/"))
        else:
            self._resolve(path.lstrip("/"))

    def _about(self, path: str) -> None:
        kind, _, rest = path.partition("/")
        name, _, further = rest.partition("/revision/")
        repository = (self.of.datasets if kind == "datasets" else self.of.models).get(name)
        if kind not in ("datasets", "models") or repository is None or further not in ("", "main", COMMIT):
            known = any(rest.startswith(f"{name}/") for name in (*self.of.datasets, *self.of.models))
            self._answer(404, b"{}", {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"})
            return
        found = {
            "id": name,
            "sha": COMMIT,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "private": False,
            "siblings": [{"rfilename": file} for file in repository],
            "cardData": card_of(repository),
        }
        self._answer(200, json.dumps(found).encode())

    def _resolve(self, path: str) -> None:
        name, _, rest = path.partition("/resolve/")
        files = self.of.models.get(name) or self.of.datasets.get(name.removeprefix("datasets/"))
        body = (files or {}).get(rest.partition("/")[2])
        if body is None:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound" if files else "RepoNotFound"})
            return
        self._answer(200, body, {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": COMMIT})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = unquote(self.path.partition("?")[0])
        self.of.requests.append(f"POST {path}")
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._answer(401, b'{"error": "Invalid credentials"}')
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            prefix = "datasets/" if asked.get("type") == "dataset" else ""
            made = {"url": f"{self.of.url}/{prefix}{name}", "name": name, "id": "1"}
            self._answer(200, json.dumps(made).encode())
        elif "/preupload/" in path:
            paths = [item["path"] for item in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            self._answer(200, json.dumps({"files": modes}).encode())
        elif "/commit/" in path:
            lines = [json.loads(line) for line in body.decode().splitlines()]
            paths = {line["value"]["path"] for line in lines if line["key"] == "file"}
            _, _, kind, user, name, *_ = path.split("/")
            self.of.published.append((kind, f"{user}/{name}", paths))
            prefix = "datasets/" if kind == "datasets" else ""
            url = f"{self.of.url}/{prefix}{user}/{name}/commit/{COMMIT}"
            commit = {"commitUrl": url, "commitOid": COMMIT, "success": True}
            self._answer(200, json.dumps(commit).encode())
        else:
            self._answer(200, b"{}")

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        standard = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
        for name, value in {**standard, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
