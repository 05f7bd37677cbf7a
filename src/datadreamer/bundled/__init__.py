"""Files that ship inside the package: a very small language model to try the library with."""

from __future__ import annotations

from pathlib import Path

__all__ = ["toy_model_path"]


def toy_model_path() -> str:
    """The folder of the toy model, in Hugging Face format, to pass wherever a model name is expected.

    It is a decoder-only transformer of 2.6 million parameters, trained from scratch on made-up product reviews and
    small questions about them. It writes and labels such reviews offline, on a CPU, in an instant, and knows nothing
    else: a model for examples, tests and first steps, not one to make data with. Its README.md says what it can do.
    """
    return str(Path(__file__).parent / "toy_model")
