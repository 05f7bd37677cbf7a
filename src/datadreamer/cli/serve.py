"""`datadreamer serve MODEL`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..serving import Server

KEY = "DATADREAMER_SERVE_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Put a model, or a recording, behind an OpenAI-compatible server.\n\n"
        "MODEL is one of\n"
        "  toy                    the small model that ships along\n"
        "  FOLDER                 a model in Hugging Face format, or what a trainer made\n"
        "  ORGANISATION/NAME      a model of the Hugging Face Hub\n"
        "  OpenAI:gpt-4o-mini     a class of datadreamer.llms, and a model of it (its key is in the environment)\n"
        "  OUTPUT_FOLDER          what a session recorded: nothing is asked\n\n"
        "Equal requests are answered from memory; the header x-datadreamer-cache says so."
    )
    parser.add_argument("model", metavar="MODEL", help="what to serve, see above")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen at; 0 takes a free one (default: 8000)")
    parser.add_argument("--name", help="what clients call the model (default: its own name)")
    parser.add_argument("--cache", metavar="FOLDER", help="remember answers in this folder, from one start to the next")
    parser.add_argument("--replay", action="store_true", help="answer from what is remembered alone; ask no model")
    parser.add_argument(
        "--new-draws",
        action="store_true",
        help="an equal request at a temperature above 0 is another draw, numbered from 0 at every start",
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="most requests of a batch of a local model")
    parser.add_argument("--base-url", metavar="URL", help="the server that a hosted model is asked at")
    parser.add_argument("--device", help="where a local model runs, for example cuda:1")
    parser.add_argument("--dtype", help="number format of a local model, for example bfloat16")
    parser.add_argument("--adapter", metavar="NAME", help="a LoRA adapter for a local model")
    parser.add_argument(
        "--api-key", metavar="KEY", help=f"clients must send this key (better: the environment variable {KEY})"
    )


def run(arguments: argparse.Namespace) -> int:
    from ..serving import Server, backend_for

    backend = backend_for(
        arguments.model,
        cache=arguments.cache,
        replay=arguments.replay,
        name=arguments.name,
        new_draws=arguments.new_draws,
        batch_size=arguments.batch_size,
        **_model_arguments(arguments),
    )
    key = arguments.api_key or os.environ.get(KEY) or None
    server = Server(backend, arguments.host, arguments.port, key)
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.start()
        _announce(server, key)
        while not stopped.wait(3600):
            pass
        print("Stopping; requests under way may finish. Ctrl-C again stops at once.", file=sys.stderr)
        for number in before:
            signal.signal(number, signal.SIG_DFL)
        server.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print(f"Stopped after {server.requests:,} requests.", file=sys.stderr)
    return 0


def _announce(server: Server, key: str | None) -> None:
    names = ", ".join(server.backend.names[:5])
    print(f"Serving {names} at {server.url}", flush=True)
    if server.host not in ("127.0.0.1", "localhost", "::1") and key is None:
        print(f"Everybody who can reach {server.host} may ask it. --api-key asks for a key.", file=sys.stderr)


def _model_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {
        "base_url": arguments.base_url,
        "device": arguments.device,
        "dtype": arguments.dtype,
        "adapter_name": arguments.adapter,
    }
    return {name: value for name, value in given.items() if value is not None}
