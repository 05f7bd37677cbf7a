"""Training in a process of its own: memory and device are free afterwards, and a kill of either process loses little.

The worker tells what happens as JSON lines. It ends when this process does, however that ends: its standard input
closes then. Ctrl-C here asks it to save a checkpoint first; a second Ctrl-C does not wait.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import datadreamer

from ...errors import InvalidArgumentError, InvalidTypeError, TrainingError
from ...trainers.job import TrainingJob
from ...trainers.work.checkpoints import MARKER, step_of
from .worker_log import WorkerLog

Event = dict[str, Any]
OnEvent = Callable[[Event], None]

STOP_SECONDS = 120.0  # to save a checkpoint after Ctrl-C
LOG_LINES = 12  # of the worker's log, in the error about its end
USER_ERRORS = {"InvalidArgumentError": InvalidArgumentError, "InvalidTypeError": InvalidTypeError}


def run_job(job: TrainingJob, on_event: OnEvent) -> dict[str, Any]:
    """Train in a worker process, or go on where an earlier try of the same job was stopped.

    A job with callables runs in this process, through the same code: they cannot be sent without pickle.

    Args:
        job: the work folder and what to train in it. The model is in `job.model` afterwards.
        on_event: told everything that `trainers.work.events` lists.

    Returns:
        A `TrainingResult` as plain values.

    Raises:
        TrainingError: the worker failed; the message has its reason or its last lines, and how to go on.
        InvalidArgumentError, InvalidTypeError: something about the rows or the model that only the worker could see.
        KeyboardInterrupt: after the worker has saved a checkpoint.
    """
    if job.callables:
        return _run_here(job, on_event)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "datadreamer.trainers.worker", str(job.work_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(os.environ, job),
        start_new_session=True,  # a Ctrl-C in the terminal reaches this process alone, which then asks politely
    )
    assert process.stderr is not None
    log = WorkerLog(process.stderr, job.log)
    with process:
        try:
            _say(process, job.to_line())
            return _listen(job, process, log, on_event)
        finally:
            process.kill()
            log.close()


def _listen(job: TrainingJob, process: subprocess.Popen[bytes], log: WorkerLog, on_event: OnEvent) -> dict[str, Any]:
    """Pass events on until the worker's last one."""
    events: queue.Queue[Event | None] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, events), name="datadreamer-worker", daemon=True).start()
    interrupted: BaseException | None = None
    wait: float | None = None
    while True:
        try:
            event = events.get(timeout=wait)
            if event is None or event["event"] == "stopped":
                break
            if event["event"] == "result" and interrupted is None:
                return dict(event["result"])
            if event["event"] == "error":
                process.kill()
                log.close()
                raise _failure(job, event) from interrupted
            on_event(event)
        except queue.Empty:
            break  # asked to stop, and it did not
        except (KeyboardInterrupt, SystemExit) as error:
            if interrupted is not None:
                raise
            interrupted, wait = error, STOP_SECONDS
            _say(process, b"stop\n")
            on_event({"event": "log", "level": "warning", "message": "Stopping: saving a checkpoint first."})
    if interrupted is not None:
        raise interrupted
    log.close()
    raise _death(job, process)


def _read(lines: IO[bytes] | None, events: queue.Queue[Event | None]) -> None:
    assert lines is not None
    for line in lines:
        events.put(json.loads(line))
    events.put(None)


def _say(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(line)
        process.stdin.flush()
    except OSError:
        pass  # it is gone already, which its last events say better


# --- how it is started ------------------------------------------------------------------------------------------------


def _environment(inherited: Mapping[str, str], job: TrainingJob) -> dict[str, str]:
    """The worker's environment: ours, without what would make its libraries chatty, and with one device to see."""
    quiet = {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DISABLE_SAFETENSORS_CONVERSION": "1",  # transformers would ask the Hub to convert a model, in the background
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONUNBUFFERED": "1",
    }
    environment = {**inherited, **quiet, **job.secrets}
    device = job.runtime.get("device")
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif device in (None, "cuda") or device.startswith("cuda:"):
        # transformers would split every batch over all devices it sees
        environment["CUDA_VISIBLE_DEVICES"] = _one_device(device, inherited.get("CUDA_VISIBLE_DEVICES"))
    source = str(Path(datadreamer.__file__).parent.parent)
    if "site-packages" not in source:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [inherited.get("PYTHONPATH"), source]))
    return environment


def _one_device(device: str | None, visible: str | None) -> str:
    """The one CUDA device of those that this process may use."""
    number = int(device.partition(":")[2] or 0) if device else 0
    if visible is None:
        return str(number)
    names = [name for name in visible.split(",") if name]
    if number < len(names):
        return names[number]
    if device is None or not names:
        return visible
    raise InvalidArgumentError(f"device='{device}', but CUDA_VISIBLE_DEVICES='{visible}' shows {len(names)} devices.")


# --- how it ends ------------------------------------------------------------------------------------------------------


def _failure(job: TrainingJob, event: Event) -> Exception:
    """The error that the worker reported, as one of ours."""
    reason = event["message"] or event["kind"]
    if event["kind"] in USER_ERRORS:
        return USER_ERRORS[event["kind"]](f"Trainer '{job.name}': {reason}")
    if event.get("ours"):
        return TrainingError(f"Trainer '{job.name}' stopped: {reason} {_how_to_go_on(job)}")
    said = f"{event['kind']}: {reason}"
    return TrainingError(f"Trainer '{job.name}' failed with {said}\n{_last_lines(job)}\n{_how_to_go_on(job)}")


def _death(job: TrainingJob, process: subprocess.Popen[bytes]) -> TrainingError:
    """The error for a worker that ended without a word."""
    status = process.wait(timeout=STOP_SECONDS)
    how = f"ended with status {status}"
    if status < 0:
        name = signal.Signals(-status).name
        cause = " (often: the machine ran out of memory; a smaller batch_size needs less)" if name == "SIGKILL" else ""
        how = f"was killed by {name}{cause}"
    return TrainingError(f"The worker of trainer '{job.name}' {how}.\n{_last_lines(job)}\n{_how_to_go_on(job)}")


def _last_lines(job: TrainingJob) -> str:
    lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines() if job.log.exists() else []
    said = "\n".join(line for line in lines[-LOG_LINES:] if line.strip())
    return f"Its last lines:\n{said}" if said else "It printed nothing."


def _how_to_go_on(job: TrainingJob) -> str:
    steps = [step_of(marker.parent) for marker in job.checkpoints.glob(f"checkpoint-*/{MARKER}")]
    if not steps:
        return "No checkpoint was saved yet: running the script again starts the training anew."
    return f"Run the script again to go on from the checkpoint of step {max(steps)}."


# --- without a worker -------------------------------------------------------------------------------------------------


def _run_here(job: TrainingJob, on_event: OnEvent) -> dict[str, Any]:
    """Train in this process. Ctrl-C asks for a checkpoint as it does of the worker."""
    import msgspec

    from ...trainers.work import loop, registry

    device = job.runtime.get("device") or "cuda"
    if ":" in device and not device.endswith(":0"):
        raise InvalidArgumentError(
            f"Trainer '{job.name}' was given {' and '.join(sorted(job.callables))}, so it trains in this process, "
            f"where device='{device}' cannot be chosen. Set CUDA_VISIBLE_DEVICES before starting Python instead."
        )
    names = ", ".join(sorted(job.callables))
    on_event({"event": "log", "level": "info", "message": f"Training in this process, because of {names}."})
    stop = threading.Event()
    with _stop_on_interrupt(stop):
        try:
            result = loop.finished(job) or registry.train(job, on_event, stop)
        except Exception as error:
            if type(error).__name__ in USER_ERRORS:
                raise
            raise TrainingError(f"Trainer '{job.name}' failed with {error!r}. {_how_to_go_on(job)}") from error
    if result is None:
        raise KeyboardInterrupt
    return dict(msgspec.to_builtins(result))


@contextmanager
def _stop_on_interrupt(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C sets `stop`; the second interrupts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
