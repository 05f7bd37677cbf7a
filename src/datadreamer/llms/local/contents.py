"""The identity of a model: what its files hold, not where they lie.

A folder counts by the content of the files that decide what the model answers; a repository of the hub counts by its
commit. Cards, licences, checkpoints of training and weight formats that we never load do not count, so editing a README
or moving the folder asks nothing again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from .checkpoint import Checkpoint

_IGNORED_FOLDERS = ("checkpoint-*", "checkpoints", "runs", "logs", "original", "onnx", "openvino", "coreml")
_IGNORED_FILES = (
    ".*", "*.md", "license*", "notice*", "citation*", "use_policy*", "*.png", "*.jpg", "*.jpeg", "*.gif",
    "*.svg", "*.pdf", "*.log", "*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.gguf", "*.onnx", "*.h5",
    "*.msgpack", "*.tflite", "training_args*", "trainer_state.json", "trainer.json", "datadreamer.json",
    "*_results.json",
)  # fmt: skip


def identity(checkpoint: Checkpoint, digest_of: Callable[[Path], str]) -> dict[str, Any]:
    """Plain data that stands for the checkpoint in fingerprints.

    Args:
        checkpoint: a model or an adapter.
        digest_of: content digest of one file.
    """
    if checkpoint.folder is not None:
        return {"digest": folder_digest(checkpoint.folder, digest_of)}
    if checkpoint.commit is not None:
        return {"repository": checkpoint.repository, "commit": checkpoint.commit}
    return {"repository": checkpoint.repository, "revision": checkpoint.revision, "resolved": False}


def folder_digest(folder: Path, digest_of: Callable[[Path], str]) -> str:
    """SHA-256 over the names and content digests of the files that count, as hex."""
    lines = []
    for path in sorted(counted_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        content = _adapter_digest(path) if path.name == "adapter_config.json" else digest_of(path)
        lines.append(f"{path.relative_to(folder).as_posix()}\0{content}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def counted_files(folder: Path) -> Iterator[Path]:
    """The files of a model folder that decide what it answers."""
    for path in folder.iterdir():
        name = path.name.lower()
        if path.is_dir():
            if not name.startswith(".") and not any(fnmatch(name, pattern) for pattern in _IGNORED_FOLDERS):
                yield from counted_files(path)
        elif not any(fnmatch(name, pattern) for pattern in _IGNORED_FILES):
            yield path


def _adapter_digest(path: Path) -> str:
    """An adapter's settings without where its base lay when it was trained: the base has an identity of its own."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    for name in ("base_model_name_or_path", "revision"):
        settings.pop(name, None)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
