"""Vertex AI: where a model is asked, and with which token."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server
from protocols import generated

from datadreamer import errors, identity
from datadreamer.llms import VertexAI

TOKEN = "ya29.token-of-an-account-0123456789"


class Credentials:
    """Credentials in the shape of google-auth, with a token that lasts."""

    valid = True
    token = TOKEN
    project_id = "their-project"


@pytest.fixture(autouse=True)
def answers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GOOGLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_GCE_CHECK", "true")

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(generated([{"text": "ok"}]))

    server.behaviour = behaviour


def test_a_token_is_sent_to_the_model_of_a_project(server: Server) -> None:
    base_url = f"http://127.0.0.1:{server.port}/v1beta1"
    llm = VertexAI("gemini-x", "my-project", "europe-west1", credentials=Credentials(), base_url=base_url)
    assert llm.run(["p"]) == ["ok"]
    [seen] = server.requests
    where = "projects/my-project/locations/europe-west1/publishers/google/models/gemini-x:generateContent"
    assert seen.path == f"/v1beta1/{where}"
    assert seen.headers["Authorization"] == f"Bearer {TOKEN}"
    assert seen.json == {
        "contents": [{"role": "user", "parts": [{"text": "p"}]}],
        "generationConfig": {"temperature": 1.0},
    }


def test_the_project_of_the_credentials_is_the_default(server: Server) -> None:
    VertexAI("m", credentials=Credentials(), base_url=server.url).run(["p"])
    assert server.requests[0].path.startswith("/v1/projects/their-project/locations/global/")


def test_locations_have_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {place: VertexAI("m", "p", place).host for place in ("global", "us-central1", "eu")}
    assert hosts == {
        "global": "aiplatform.googleapis.com",
        "us-central1": "us-central1-aiplatform.googleapis.com",
        "eu": "aiplatform.eu.rep.googleapis.com",
    }
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "asia-south1")
    llm = VertexAI("m", "p")
    assert (llm.host, llm.provider) == ("asia-south1-aiplatform.googleapis.com", "vertex-ai")


def test_the_project_is_an_account_and_not_part_of_the_identity() -> None:
    assert identity.digest(VertexAI("m", "p")) == identity.digest(VertexAI("m", "q", credentials=Credentials()))
    assert identity.digest(VertexAI("m", "p")) != identity.digest(VertexAI("m", "p", "us-central1"))
    assert VertexAI("m", "p").account() != VertexAI("m", "q").account()


def test_a_key_in_the_environment_does_not_replace_a_project_in_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "from-the-environment")
    assert VertexAI("m")._endpoint.key == "from-the-environment"
    assert VertexAI("m", "p")._endpoint.key is None
    assert VertexAI("m", "p", base_url="https://elsewhere.example")._signs is False


def test_no_token_is_shown(server: Server) -> None:
    llm = VertexAI("m", "p", credentials=Credentials(), base_url=server.url)
    llm.run(["p"])
    assert TOKEN not in repr(llm) + str(llm.spec()) + repr(llm._endpoint)


def test_without_a_project_nothing_is_sent(server: Server) -> None:
    class Nameless(Credentials):
        project_id = None

    with pytest.raises(errors.AuthenticationError, match="vertex_project="):
        VertexAI("m", credentials=Nameless(), base_url=server.url).run(["p"])
    assert not server.requests


def test_a_service_account_gets_its_token_once(server: Server) -> None:
    service_account = pytest.importorskip("google.oauth2.service_account")
    crypto = pytest.importorskip("cryptography.hazmat.primitives")
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = crypto.serialization
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()).decode()
    issued = []

    async def token(request: web.Request) -> web.StreamResponse:
        issued.append((await request.post())["grant_type"])
        return web.json_response({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    with _TokenServer(token) as address:
        info = {
            "type": "service_account",
            "project_id": "p",
            "private_key": pem,
            "client_email": "x@p.iam.gserviceaccount.com",
            "token_uri": address,
        }
        credentials = service_account.Credentials.from_service_account_info(
            info, scopes=["https://www.googleapis.com/auth/cloud-platform"]
        )
        llm = VertexAI("m", credentials=credentials, base_url=server.url)
        assert llm.run([f"p{n}" for n in range(20)]) == ["ok"] * 20
    assert len(issued) == 1
    assert {seen.headers["Authorization"] for seen in server.requests} == {f"Bearer {TOKEN}"}


class _TokenServer:
    """Gives tokens, in a thread of its own."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    def __enter__(self) -> str:
        import threading

        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(10)
        return f"http://127.0.0.1:{self.port}/token"

    def _serve(self, ready: Any) -> None:
        asyncio.set_event_loop(self.loop)
        app = web.Application()
        app.router.add_post("/token", self.handle)
        runner = web.AppRunner(app)
        self.loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self.loop.run_until_complete(site.start())
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
