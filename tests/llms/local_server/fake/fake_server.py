"""A real HTTP server in a real process, with the command line of vLLM or llama.cpp and the answers of a mirror.

An answer is the JSON of the request as it arrived. The command line, the pid and the pid of a worker process go to the
folder that `FAKE_SEEN` names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from datadreamer.ledger import Ledger
from datadreamer.llms import LLM, Generation, Request
from datadreamer.serving import ModelBackend, Server


class Mirror(LLM):
    extra_parameters = frozenset({"structured_outputs", "top_k", "min_p", "grammar", "repeat_penalty"})

    async def _answer(self, request: Request) -> Generation:
        if request.prompt == "die":
            print("Segmentation fault (core dumped)", flush=True)
            os._exit(139)
        return Generation(text=json.dumps({**request.parts(), "pid": os.getpid()}), finish_reason="stop")


def main(name_flag: str, key_variable: str) -> None:
    words = sys.argv[1:]
    print("Loading weights", flush=True)
    if os.environ.get("FAKE_FAILS"):
        print("(Worker pid=7) ERROR ValueError: Available memory on node 0 is less than desired")
        print("  frame\n" * 40, flush=True)
        raise SystemExit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB")
    time.sleep(float(os.environ.get("FAKE_LOADS_FOR", "0")))
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    seen = {"words": words, "pid": os.getpid(), "worker": worker.pid, "devices": os.environ.get("CUDA_VISIBLE_DEVICES")}
    Path(os.environ["FAKE_SEEN"], f"{os.getpid()}.json").write_text(json.dumps(seen))
    model = Mirror()
    model.model_name = words[words.index(name_flag) + 1]  # type: ignore[attr-defined]
    if "--lora-modules" in words:
        model.model_name = words[words.index("--lora-modules") + 1].split("=")[0]  # type: ignore[attr-defined]
    backend = ModelBackend(model, Ledger.open(":memory:"))
    port = int(words[words.index("--port") + 1])
    with Server(backend, port=port, api_key=os.environ[key_variable]):
        threading.Event().wait()
