"""Publishing with the real `huggingface_hub` client, at a server on loopback that speaks what it uses of the Hub."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import sys
from datadreamer import DataDreamer
from datadreamer.errors import AuthenticationError
from datadreamer.steps import DataSource

with DataDreamer(sys.argv[1], verbose=False):
    rows = DataSource("Rows", {"text": ["a", "b", "c", "d"]})
    try:
        print(rows.publish_to_hf_hub("me/rows", branch="draft", private=True, token=sys.argv[2],
                                     train_size=0.75, test_size=0.25))
    except AuthenticationError as error:
        print("refused:", error)
"""


class Hub(BaseHTTPRequestHandler):
    """Repositories, branches, preupload and commit; refuses any token but one."""

    seen: list[tuple[str, str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.seen.append((self.path, self.headers.get("authorization", ""), body))
        if self.headers.get("authorization") != "Bearer hf_rightright":
            self._answer(401, {"error": "Invalid credentials"})
        elif self.path == "/api/repos/create":
            self._answer(200, {"url": f"http://{self.headers['host']}/datasets/me/rows", "name": "me/rows", "id": "1"})
        elif "/branch/" in self.path:
            self._answer(200, {})
        elif "/preupload/" in self.path:
            paths = [item["path"] for item in json.loads(body)["files"]]
            files = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            self._answer(200, {"files": files})
        else:
            self._answer(
                200,
                {
                    "commitUrl": f"http://{self.headers['host']}/datasets/me/rows/commit/1",
                    "commitOid": "1" * 40,
                    "success": True,
                },
            )

    def do_GET(self) -> None:
        self._answer(200, {"id": "me/rows", "sha": "1" * 40, "siblings": [], "refs": []})

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    Hub.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def publish(hub: ThreadingHTTPServer, folder: Path, token: str) -> str:
    environment = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(folder / "hf"), "PATH": ""}
    environment["PYTHONPATH"] = ":".join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "output"), token],
        capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def committed(body: bytes) -> set[str]:
    """The paths in the lines of a commit."""
    lines = [json.loads(line) for line in body.decode().splitlines()]
    return {line["value"]["path"] for line in lines if line["key"] == "file"}


def test_a_dataset_goes_to_its_branch_with_card_and_record(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    url = publish(hub, tmp_path, "hf_rightright")
    assert url == f"http://127.0.0.1:{hub.server_port}/datasets/me/rows/tree/draft"
    created = json.loads(next(body for path, _, body in Hub.seen if path == "/api/repos/create"))
    assert created["visibility"] == "private"
    commit_path, _, commit = next(call for call in Hub.seen if "/commit/" in call[0])
    assert commit_path.endswith("/commit/draft") or "commit/draft" in commit_path
    assert committed(commit) == {
        "README.md",
        "datadreamer.json",
        "data/train-00000-of-00001.parquet",
        "data/test-00000-of-00001.parquet",
    }


def test_a_refused_token_is_an_error_that_says_so(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    printed = publish(hub, tmp_path, "hf_wrongwrong")
    assert printed.startswith("refused: The Hugging Face Hub refused the token for 'me/rows' (HTTP 401)")
    assert "hf_wrongwrong" not in printed
