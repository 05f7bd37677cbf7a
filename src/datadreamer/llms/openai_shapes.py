"""Which models of OpenAI are not asked in the form of chats.

Source: the names that the vendor's own library 3.54.0 types for each API (`ResponsesModel` beside `ChatModel`, and the
models of `completions.create`); for Codex models neon.com/docs/ai-gateway. Read on 2026-11-22.
"""

from __future__ import annotations

import re
from typing import Literal

Shape = Literal["chat", "responses", "completions"]
SHAPES: tuple[Shape, ...] = ("chat", "responses", "completions")
PATHS = {"chat": "/chat/completions", "responses": "/responses", "completions": "/completions"}

#: those that only `/responses` has
RESPONSES = frozenset(
    {
        "computer-use-preview",
        "gpt-5-codex",
        "gpt-5-pro",
        "gpt-5.1-codex",
        "gpt-5.1-codex-max",
        "gpt-5.1-codex-mini",
        "gpt-5.2-codex",
        "gpt-5.2-pro",
        "gpt-5.3-codex",
        "gpt-5.4-pro",
        "gpt-5.5-pro",
        "gpt-5.6-cyber",
        "gpt-6-cyber",
        "o1-pro",
        "o3-deep-research",
        "o3-pro",
        "o4-mini-deep-research",
    }
)
#: those that continue a text
COMPLETIONS = frozenset({"babbage-002", "davinci-002", "gpt-3.5-turbo-instruct"})
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4}|latest)$")
_TUNED = re.compile(r"ft:([^:]+):")  # a model that was fine-tuned is asked as its base is


def shape_of(model: str) -> Shape:
    """How OpenAI's own service is asked for `model`."""
    tuned = _TUNED.match(model)
    name = _SNAPSHOT.sub("", tuned[1] if tuned else model)
    return "responses" if name in RESPONSES else "completions" if name in COMPLETIONS else "chat"
