"""A fine-tuning service on loopback: files, jobs and their events, as OpenAI documents them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

from aiohttp import web

LOSSES = [2.0, 1.0, 0.5]


class FineTuningServer:
    """Use as a context manager. A job succeeds when it was looked at `looks` times."""

    def __init__(self, looks: int = 2) -> None:
        self.looks = looks
        self.files: dict[str, str] = {}  # id -> content
        self.jobs: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.keys: set[str] = set()
        self.fail_with: str | None = None
        self.broken = 0  # so many looks answer 500
        self.on_started: Callable[[], None] = lambda: None

    def __enter__(self) -> FineTuningServer:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._serve, args=(ready,), daemon=True).start()
        ready.wait(10)
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(middlewares=[self._note], client_max_size=10**8)
        self.add_routes(app)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        ready.set()
        self._loop.run_forever()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/files", self._upload)
        app.router.add_post("/v1/fine_tuning/jobs", self._create)
        app.router.add_get("/v1/fine_tuning/jobs", self._list)
        app.router.add_get("/v1/fine_tuning/jobs/{id}", self._retrieve)
        app.router.add_get("/v1/fine_tuning/jobs/{id}/events", self._events)

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        self.keys.add(request.headers.get("Authorization", ""))
        if "wrong" in request.headers.get("Authorization", ""):
            return web.json_response({"error": {"message": "Incorrect API key provided", "code": "no"}}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "fine-tune"
        file: Any = form["file"]
        name = f"file-{len(self.files)}"
        self.files[name] = file.file.read().decode()
        return web.json_response(
            {
                "id": name,
                "object": "file",
                "bytes": 1,
                "created_at": 1,
                "filename": file.filename,
                "purpose": "fine-tune",
                "status": "processed",
            }
        )

    async def _create(self, request: web.Request) -> web.Response:
        body = json.loads(await request.text())
        name = f"ftjob-{len(self.jobs)}"
        self.jobs[name] = {
            "id": name,
            "object": "fine_tuning.job",
            "created_at": 100,
            "finished_at": None,
            "error": None,
            "fine_tuned_model": None,
            "hyperparameters": {},
            "organization_id": "org",
            "result_files": [],
            "seed": body.get("seed", 7),
            "status": "queued",
            "trained_tokens": None,
            "looked": 0,
            **{key: body.get(key) for key in ("model", "training_file", "validation_file", "metadata", "method")},
            "asked": body,
        }
        self.on_started()
        return web.json_response(self.jobs[name])

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": list(self.jobs.values())[::-1], "has_more": False})

    async def _retrieve(self, request: web.Request) -> web.Response:
        if self.broken:
            self.broken -= 1
            return web.json_response({"error": {"message": "overloaded"}}, status=500)
        job = self.jobs[request.match_info["id"]]
        job["looked"] += 1
        job["status"] = "running"
        if job["looked"] >= self.looks:
            failed = self.fail_with is not None
            job["status"] = "failed" if failed else "succeeded"
            job["finished_at"] = 160
            job["error"] = {"code": "bad", "message": self.fail_with, "param": None} if failed else None
            job["fine_tuned_model"] = None if failed else f"ft:{job['model']}:org::{job['id']}"
            job["trained_tokens"] = None if failed else 1234
        return web.json_response(job)

    async def _events(self, request: web.Request) -> web.Response:
        job = self.jobs[request.match_info["id"]]
        events = [self._event(0, "message", "Validating training file", None)]
        for step, loss in enumerate(LOSSES[: max(0, job["looked"])], 1):
            data = {"step": step, "train_loss": loss, "total_steps": len(LOSSES), "train_mean_token_accuracy": 0.5}
            events.append(self._event(step, "metrics", f"Step {step}/{len(LOSSES)}", data))
        return web.json_response({"object": "list", "data": events[::-1], "has_more": False})

    def _event(self, number: int, kind: str, message: str, data: Any) -> dict[str, Any]:
        return {
            "id": f"ftevent-{number}",
            "object": "fine_tuning.job.event",
            "created_at": 100 + number,
            "level": "info",
            "message": message,
            "type": kind,
            "data": data,
        }
