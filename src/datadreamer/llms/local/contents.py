"""The identity of a model: what its files hold, not where they lie.

A folder counts by the content of the files that decide what the model answers; a repository of the hub counts by its
commit. Cards, licences, checkpoints of training and weight formats that we never load do not count, so editing a README
or moving the folder asks nothing again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoint import Checkpoint

if TYPE_CHECKING:
    from ...ledger import FileDigests

IGNORED = (
    ".*", "__pycache__", "*.lock", "*.tmp",
    "*.md", "LICENSE*", "license*", "NOTICE*", "CITATION*", "USE_POLICY*", "*.png", "*.jpg", "*.gif", "*.svg", "*.pdf",
    "*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.gguf", "*.onnx", "*.h5", "*.msgpack", "*.tflite",
    "checkpoint-*", "checkpoints", "runs", "logs", "*.log", "original", "onnx", "openvino", "coreml",
    "training_args*", "trainer_state.json", "trainer.json", "datadreamer.json", "*_results.json",
)  # fmt: skip


def identity(checkpoint: Checkpoint, digests: FileDigests) -> dict[str, Any]:
    """Plain data that stands for the checkpoint in fingerprints: a `digest`, or `model` and `revision` on the hub."""
    if checkpoint.folder is not None:
        return _folder_identity(checkpoint.folder, digests)
    if checkpoint.commit is not None:
        return {"model": checkpoint.repository, "revision": checkpoint.commit}
    return {"model": checkpoint.repository, "revision": checkpoint.revision, "resolved": False}


def _folder_identity(folder: Path, digests: FileDigests) -> dict[str, Any]:
    settings = folder / "adapter_config.json"
    if not settings.is_file():
        return {"digest": digests.tree(folder, IGNORED)}
    counted = json.loads(settings.read_text(encoding="utf-8"))
    for name in ("base_model_name_or_path", "revision"):
        counted.pop(name, None)  # where the base lay when the adapter was trained: it has an identity of its own
    return {"digest": digests.tree(folder, (*IGNORED, settings.name)), "settings": counted}
