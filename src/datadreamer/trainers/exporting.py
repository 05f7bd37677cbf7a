"""A trained model in a folder of its own, outside the session."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError
from .job import ADAPTER

if TYPE_CHECKING:
    from ._train_hf_base import _TrainHFBase

CARD, RECORD = "README.md", "datadreamer.json"
MARKER = "datadreamer-export.json"  # tells a later export that this folder is ours to replace


def export_model(trainer: _TrainHFBase, path: Path, adapter_only: bool) -> str:
    """Write the model, its tokenizer and its card to `path`; the folder changes only once everything is written."""
    path = path.expanduser().absolute()
    _check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        write_model(trainer, draft, adapter_only)
        marker = {"trainer": trainer.name, "fingerprint": trainer.fingerprint}
        (draft / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")
        draft.chmod(0o755)  # as mkdir would have made it
        if path.exists():
            shutil.rmtree(path)
        draft.replace(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return str(path)


def write_model(trainer: _TrainHFBase, folder: Path, adapter_only: bool, **facts: Any) -> None:
    """Write the model as it is published, with its card: an adapter merged into its base unless `adapter_only`.

    Args:
        folder: an empty folder.
        **facts: passed on to the card: `title`, `synthetic`.
    """
    source = Path(trainer.model_path)
    is_adapter = (source / "adapter_config.json").is_file()
    beside = source / ADAPTER  # a whole model, with the adapter that was merged into it
    if adapter_only and not (is_adapter or beside.is_dir()):
        raise InvalidArgumentError(
            f"{trainer.who} trained all weights, so there is no adapter alone. Leave out adapter_only, or train with "
            "peft_config."
        )
    if is_adapter and not adapter_only:
        merged(trainer).save_pretrained(str(folder))
        trainer.tokenizer.save_pretrained(str(folder))
    else:
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(ADAPTER))
    if adapter_only and beside.is_dir():
        for path in folder.glob("model*.safetensors*"):
            path.unlink()
        (folder / "config.json").unlink()
        shutil.copytree(beside, folder, dirs_exist_ok=True)
    write_card(trainer, folder, adapter_only, **facts)


def write_card(trainer: _TrainHFBase, folder: Path, adapter_only: bool, **facts: Any) -> None:
    """Write the model's card, and the record of all it came from, as the session left them beside the model."""
    from .. import cards

    kept = trainer._trained() / RECORD
    if not kept.is_file():
        (folder / CARD).write_text(f"# {trainer.name}\n", encoding="utf-8")
        return
    run = cards.read_run(kept)
    cards.write_record(folder / RECORD, run)
    record = next(found for found in run.trainers if found.name == trainer.name)
    record.model.adapter_only = adapter_only  # the card is about these files
    record.library = "peft" if adapter_only else "transformers"
    cards.write_readme(folder, cards.model_card(run, trainer.name, **facts))


def merged(trainer: _TrainHFBase) -> Any:
    """The trained adapter merged into the base model, whose weights are loaded anew and unquantised."""
    from ..llms.local.hf_model import HFModel

    model = HFModel(
        trainer.model_path,
        needed_for=trainer.who,
        auto_class=trainer.auto_class,
        trust_remote_code=trainer.trust_remote_code,
        device="cpu",
        dtype=trainer.dtype,
    )
    return model.model.merge_and_unload()


def _check_replaceable(path: Path) -> None:
    if path.is_file():
        raise InvalidArgumentError(f"'{path}' is a file. Give a folder to export to.")
    if path.is_dir() and any(path.iterdir()) and not (path / MARKER).is_file():
        raise InvalidArgumentError(
            f"'{path}' has files that no export wrote, and an export replaces the whole folder. Give another "
            "folder, or empty this one."
        )
