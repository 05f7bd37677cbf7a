"""Everything that goes wrong on the way to a model, mixed, with 1,000 requests in flight."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FAULTS, FaultyServer

from datadreamer import _context, _loop
from datadreamer.errors import PermanentModelError, ServerUnreachableError
from datadreamer.llms import Failure, Generation, OpenAI
from datadreamer.llms.engine.desk import desk_for
from datadreamer.llms.engine.retry import RetryPolicy

IN_FLIGHT = 1000


class Quick(OpenAI):
    """Decides as every model does, and waits a twentieth of the time."""

    retry_policy = RetryPolicy(first_wait=0.0125, longest_wait=0.4, first_pause=0.05)


SLOW = ("silent", "dripping")  # they cost a time-out, so a prompt meets one of them at most


def mixture(names: list[str]) -> Any:
    """A plan: up to three of these faults for each prompt, the same ones in every run."""
    quick = [name for name in names if name not in SLOW]

    def plan(prompt: str) -> list[str]:
        draw = random.Random(zlib.crc32(prompt.encode()))
        faults = [draw.choice(quick) for _ in range(2) if draw.random() < 0.4]
        return [draw.choice(SLOW), *faults] if draw.random() < 0.05 else faults

    return plan


def at_full_speed(server: FaultyServer, **options: Any) -> OpenAI:
    """A model that has found out already how many requests the server takes."""
    llm = Quick("m", base_url=server.url, max_in_flight=IN_FLIGHT, timeout=2.5, **options)
    desk_for(llm, _loop.loop()).limiter.limit = float(IN_FLIGHT)
    return llm


PLAIN = [name for name in FAULTS if not name.startswith("429")]


@pytest.mark.parametrize("names", [PLAIN, list(FAULTS)], ids=["without rate limits", "with rate limits"])
def test_no_row_is_lost_and_none_is_asked_again_that_was_answered(
    scope: _context.StepScope, ledger: Any, names: list[str]
) -> None:
    prompts = [f"p{number}" for number in range(1600)]
    with FaultyServer(mixture(names), latency=0.2) as server:
        llm = at_full_speed(server)
        outcomes = list(llm.outcomes(prompts))
        assert [getattr(one, "text", one) for one in outcomes] == [f"to {prompt}" for prompt in prompts]
        assert set(server.answered.values()) == {1}
        assert server.most_in_flight >= (500 if names is PLAIN else 100)  # as the server saw it, on a busy machine
        asked = sum(server.asked.values())
        assert (scope.stats.calls, scope.stats.failures) == (1600, 0)
        # a connection that was kept and then closed costs the next request on it a try, which no plan foresaw
        assert asked - 1600 <= scope.stats.retries
        ledger.flush()
        assert ledger.count_calls() == 1600
        assert llm.run(prompts[:500]) == [f"to {prompt}" for prompt in prompts[:500]]
        assert sum(server.asked.values()) == asked


def test_rows_that_fail_for_good_are_named_and_the_others_are_answered() -> None:
    def plan(prompt: str) -> list[str]:
        return ["500", "reset", "no JSON"] * 10 if prompt.endswith("00") else []

    prompts = [f"p{number}" for number in range(1500)]
    with FaultyServer(plan) as server:
        outcomes = list(at_full_speed(server).outcomes(prompts))
        for prompt, outcome in zip(prompts, outcomes, strict=True):
            if prompt.endswith("00"):
                assert isinstance(outcome, Failure)
                assert (outcome.reason, outcome.attempts) == ("transient", RetryPolicy().transient_attempts)
            else:
                assert isinstance(outcome, Generation) and outcome.text == f"to {prompt}"
        assert max(server.answered.values()) == 1


def test_what_is_taken_ahead_is_bounded_whatever_goes_wrong() -> None:
    taken = 0

    def prompts() -> Iterator[str]:
        nonlocal taken
        for number in range(20_000):
            taken = number + 1
            yield f"p{number}"

    def plan(prompt: str) -> list[str]:
        return ["silent", "500"] if prompt == "p0" else []

    with FaultyServer(plan, latency=0.0) as server:
        outcomes = at_full_speed(server).outcomes(prompts())
        assert next(outcomes).text == "to p0"  # the slowest of all: a time-out, while the others went on
        assert taken <= 8 * IN_FLIGHT + 1
        assert sum(server.answered.values()) >= IN_FLIGHT
        outcomes.close()
        time.sleep(0.1)
        assert server.in_flight == 0


# --- before there is a connection -----------------------------------------------------------------------------------


def test_a_name_that_nobody_knows_is_said() -> None:
    with pytest.raises(ServerUnreachableError, match=r"nowhere\.invalid.*Check base_url"):
        Quick("m", base_url="http://nowhere.invalid/v1").run(["a"] * 20)


def certificate(folder: Path) -> Path:
    """A certificate that nobody signed, with its key."""
    x509 = pytest.importorskip("cryptography.x509")
    import datetime

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2026, 1, 1)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2100))
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file = folder / "certificate.pem"
    file.write_bytes(secret + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file


class Listener:
    """Accepts connections, and does `what` with each."""

    def __init__(self, what: Any) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._serve, args=(what,), daemon=True).start()

    def _serve(self, what: Any) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            try:
                what(connection)
            except OSError:
                pass
            finally:
                connection.close()


def test_a_certificate_that_nobody_signed_stops_the_run_at_once(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(tmp_path))
    listener = Listener(lambda connection: context.wrap_socket(connection, server_side=True))
    with pytest.raises(PermanentModelError, match="cannot be trusted"):
        Quick("m", base_url=f"https://127.0.0.1:{listener.port}/v1", max_in_flight=2).run(["a", "b", "c"])
    assert listener.connections <= 2
    listener.socket.close()


def test_a_handshake_that_breaks_off_is_tried_again() -> None:
    listener = Listener(lambda connection: connection.recv(64))
    with pytest.raises((ServerUnreachableError, PermanentModelError)) as caught:
        Quick("m", base_url=f"https://127.0.0.1:{listener.port}/v1", max_in_flight=1).run(["a"])
    assert isinstance(caught.value, ServerUnreachableError)
    assert listener.connections == RetryPolicy().unreachable_attempts
    listener.socket.close()
