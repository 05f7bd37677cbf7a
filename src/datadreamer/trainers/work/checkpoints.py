"""Checkpoints that are whole or do not count, and hold no pickle.

A checkpoint folder is whole once its `whole.json`, written last, lists every file with its size. A training that was
killed continues from the newest whole one; older ones are removed only after a newer one is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

MARKER = "whole.json"
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"}


def finish_checkpoint(folder: Path, seconds: float) -> None:
    """Declare `folder` whole: everything in it is on the disk. `seconds` is the time spent training so far."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name != MARKER and path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
            files[path.name] = path.stat().st_size
    draft = folder / f"{MARKER}.draft"
    with draft.open("w", encoding="utf-8") as handle:
        json.dump({"seconds": seconds, "files": files}, handle)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(folder / MARKER)


def whole(folder: Path) -> bool:
    """Whether `folder` was finished, every file of it is still there in full, and none could run code."""
    try:
        files = json.loads((folder / MARKER).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return False
    if any(path.suffix in PICKLES for path in folder.iterdir()):
        return False
    return all((folder / name).is_file() and (folder / name).stat().st_size == size for name, size in files.items())


def step_of(folder: Path) -> int:
    """The optimizer step after which a checkpoint was taken."""
    return int(folder.name.rpartition("-")[2])


def last_checkpoint(checkpoints: Path) -> Path | None:
    """The newest whole checkpoint. Unfinished ones are removed, so that their step can be saved again."""
    found = []
    for folder in checkpoints.glob("checkpoint-*"):
        if whole(folder):
            found.append(folder)
        else:
            shutil.rmtree(folder)
    return max(found, key=step_of, default=None)


def seconds_spent(checkpoint: Path | None) -> float:
    """Seconds of training that led to `checkpoint`."""
    if checkpoint is None:
        return 0.0
    return float(json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))["seconds"])


def remove_old(checkpoints: Path, best: str | None, keep: int) -> None:
    """Remove all but the `keep` newest checkpoints and the best one."""
    folders = sorted((folder for folder in checkpoints.glob("checkpoint-*") if whole(folder)), key=step_of)
    for folder in folders[:-keep]:
        if best is None or folder.name != Path(best).name:
            shutil.rmtree(folder)
