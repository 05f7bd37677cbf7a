"""What `datadreamer serve` costs: CPU of the server per request, for answers it has and answers it has to ask for.

The server runs in this process and a client in another; the floor is a bare aiohttp server that reads the same body and
answers with the same bytes. The model behind ours answers at once, so what is left is parsing, keys, ledger and JSON.

    python benchmarks/serving.py --requests 2000 --at-once 32
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "src"))
TEXT = "An answer of a few words, as they are."


def client(url: str, requests: int, at_once: int) -> None:
    """Asks every prompt once."""
    import aiohttp

    async def ask() -> None:
        gate = asyncio.Semaphore(at_once)
        async with aiohttp.ClientSession() as session:

            async def one(number: int) -> None:
                messages = [{"role": "user", "content": f"{number} " + "word " * 100}]
                async with (
                    gate,
                    session.post(f"{url}/chat/completions", json={"model": "fake", "messages": messages}) as got,
                ):
                    assert got.status == 200, await got.text()
                    await got.read()

            await asyncio.gather(*(one(number) for number in range(requests)))

    asyncio.run(ask())


def asked(url: str, arguments: argparse.Namespace) -> float:
    """CPU seconds of this process while the client asks."""
    command = [sys.executable, str(HERE), "--client", url, "--requests", str(arguments.requests)]
    start = time.process_time()
    subprocess.run([*command, "--at-once", str(arguments.at_once)], check=True)
    return time.process_time() - start


def floor(arguments: argparse.Namespace) -> float:
    from aiohttp import web

    from datadreamer import _loop

    body = json.dumps({"id": "1", "choices": [{"message": {"role": "assistant", "content": TEXT}}]}).encode()

    async def answer(request: web.Request) -> web.Response:
        json.loads(await request.read())
        return web.Response(body=body, content_type="application/json")

    async def start() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    runner, port = _loop.submit(start()).result()
    taken = asked(f"http://127.0.0.1:{port}/v1", arguments)
    _loop.submit(runner.cleanup()).result()
    return taken


def ours(arguments: argparse.Namespace) -> tuple[float, float]:
    from datadreamer.ledger import Ledger
    from datadreamer.llms import FakeLLM
    from datadreamer.serving import ModelBackend, Server

    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.open(Path(folder) / "calls.sqlite")
        with Server(ModelBackend(FakeLLM(TEXT), ledger)) as server:
            return asked(server.url, arguments), asked(server.url, arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        client(arguments.client, arguments.requests, arguments.at_once)
        return
    bare = floor(arguments)
    miss, hit = ours(arguments)
    count = arguments.requests
    print(f"{count} requests, {arguments.at_once} at once, CPU ms per request:")
    for name, taken in (("bare aiohttp server", bare), ("ours, asked and written", miss), ("ours, remembered", hit)):
        print(f"  {name:<26} {1000 * taken / count:6.3f}   ratio {taken / bare:.1f}")


if __name__ == "__main__":
    main()
