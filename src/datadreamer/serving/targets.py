"""What a word of the command line means: a model, a trained folder, a service, a recording."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError, SourceError, nearest
from ..llms.recording import FILES, Recording
from .backends import Backend, ModelBackend, RecordingBackend

if TYPE_CHECKING:
    from ..ledger import Ledger
    from ..llms import LLM

TOY = "toy"


def backend_for(
    target: str,
    *,
    cache: str | os.PathLike[str] | None = None,
    replay: bool = False,
    name: str | None = None,
    new_draws: bool = False,
    batch_size: int | None = None,
    **model_arguments: Any,
) -> Backend:
    """Who answers for `target`.

    Args:
        target: `"toy"`; a folder with a model, or a trainer's; a name on the Hugging Face Hub; a class of
            `datadreamer.llms` and a model, as in `"OpenAI:gpt-4o-mini"`; a recording (an output or cache folder).
        cache: a folder in which answers are remembered. None: in memory.
        replay: answer from what is remembered alone.
        name: what the model is called. None: its own name.
        new_draws: an equal request at a temperature above 0 is the next draw.
        batch_size: most requests of a batch of a local model.
        model_arguments: for the class of the model.

    Raises:
        InvalidArgumentError, SourceError: `target` means nothing.
    """
    recorded = _recorded(target)
    if recorded:
        if cache is not None or model_arguments:
            raise InvalidArgumentError(
                f"'{target}' is a recording: there is no model that could take further arguments."
            )
        return RecordingBackend(Recording(target), new_draws)
    if replay and cache is None:
        raise InvalidArgumentError(f"'{target}' is a model: --replay needs the recording, with --cache FOLDER.")
    return ModelBackend(
        model_for(target, **model_arguments),
        _ledger(cache),
        name=name,
        replay=replay,
        new_draws=new_draws,
        batch_size=batch_size,
    )


def model_for(target: str, **arguments: Any) -> LLM:
    """The model that `target` means; see `backend_for`."""
    kind, _, model = target.partition(":")
    if model and not Path(target).exists():
        made: LLM = _class_of(kind)(model_name=model, **arguments)
        return made
    from ..llms import HFTransformers

    if target == TOY and not Path(TOY).exists():
        from ..bundled import toy_model_path

        target = toy_model_path()
    return HFTransformers(model_name=target, **arguments)


def _class_of(name: str) -> Any:
    from .. import llms

    found = getattr(llms, name, None) if name in llms.__all__ else None
    if not (isinstance(found, type) and issubclass(found, llms.LLM)):
        known = [one for one in llms.__all__ if one[0].isupper()]
        raise InvalidArgumentError(f"datadreamer.llms has no model class '{name}'. {nearest(name, known)}")
    return found


def _recorded(target: str) -> bool:
    path = Path(target).expanduser()
    if path.is_file():
        if path.suffix != ".sqlite":
            raise SourceError(f"'{target}' is a file that is no ledger. Give a folder.")
        return True
    return path.is_dir() and any((path / name).is_file() for name in FILES)


def _ledger(cache: str | os.PathLike[str] | None) -> Ledger:
    from ..ledger import Ledger

    if cache is None:
        return Ledger.open(":memory:")
    folder = Path(cache).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return Ledger.open(folder / FILES[1])
