"""One dataset of the Hugging Face Hub on loopback: commits of it, and a branch that a test can move."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote


class DatasetHub:
    """Serves `commits` (file name to content) of the dataset `name`; `main` is the commit it stands at."""

    def __init__(self, name: str, commits: dict[str, dict[str, bytes]], main: str) -> None:
        self.name, self.commits, self.main = name, commits, main
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                status, headers, body = hub.answer(unquote(self.path.partition("?")[0]))
                self.send_response(status)
                for header, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(header, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path."""
        about, files = f"/api/datasets/{self.name}", f"/datasets/{self.name}/resolve/"
        if path.startswith(files):
            commit, _, file = path.removeprefix(files).partition("/")
            body = self.commits[commit][file]
            return 200, {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": commit}, body
        if path.startswith(about):
            revision = path.removeprefix(about).removeprefix("/revision/") or "main"
            commit = self.main if revision == "main" else revision
            names = [{"rfilename": file} for file in self.commits[commit]]
            facts = {"id": self.name, "sha": commit, "tags": [], "downloads": 0, "likes": 0, "private": False}
            return 200, {}, json.dumps({**facts, "siblings": names, "cardData": {}}).encode()
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def __enter__(self) -> DatasetHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
