"""OpenAI on loopback: chat completions by an assistant that a test writes, and fine-tuning."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web
from chat_server import completion
from fine_tuning_service import FineTuningServer

SUBJECTS = ["parsing", "translation", "summarisation", "dialogue", "retrieval"]


def reply(prompt: str, number: int) -> str:
    """What a small assistant would say to the prompts of the workflows."""
    if "abstract of an arXiv paper" in prompt:
        return f"We study {SUBJECTS[number % 5]} with {number} models. Our method is simple and works well."
    if "one tweet" in prompt:
        found = re.search(r"We study (\w+)", prompt)
        return f"New paper on {found.group(1) if found else 'language'}! It is simple and it works."
    if "comma-separated list" in prompt:
        return ", ".join(f"{word} {i}" for i in range(5) for word in [prompt.split()[2]])
    if "movie review" in prompt:
        return f"A film to remember, number {number}."
    if "rather than gossip" in prompt:
        return "No." if "rumour" in prompt else "Yes."
    if "English:" in prompt or "Translate" in prompt:
        return f"tamil {number}"
    return f"Because of reason {number}."


class OpenAIServer(FineTuningServer):
    """See the module. `prompts` has every prompt that was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []

    def add_routes(self, app: web.Application) -> None:
        super().add_routes(app)
        app.router.add_post("/v1/chat/completions", self._complete)

    async def _complete(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        prompt = str(body["messages"][-1]["content"])
        self.prompts.append(prompt)
        return web.json_response(completion(reply(prompt, len(self.prompts)), model=body["model"]))
