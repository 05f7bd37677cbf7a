"""The base of models behind a server that we start."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from msgspec.structs import replace

from ...errors import ServerUnreachableError, TransientModelError
from ..llm import LLM
from ..structured.dialects import Dialect
from ..types import Generation, Request
from ..wire.openai_chat import ChatFormat, OpenAIChat
from ..wire.transport import Timeouts
from .process import ServerProcess

_SHORT = re.compile(r"\{\{\s*(prompt|system_prompt)\s*\}\}")
_SYSTEM = "{{ (messages | selectattr('role', 'equalto', 'system') | map(attribute='content') | list + ['']) | first }}"
_PROMPT = "{{ messages[-1]['content'] }}"
PLAIN = (
    "{% for message in messages %}{{ message['content'] }}{% if not loop.last %}{{ '\\n\\n' }}{% endif %}{% endfor %}"
)


class ServedModel(LLM):
    """A model behind a server of somebody else, which is started at the first question.

    A subclass says the command line. `unload_model()`, and the end of this process in any way, end the server.
    """

    wire_name: ClassVar[str] = "openai-chat"
    format: ClassVar[ChatFormat] = ChatFormat()
    dialect: ClassVar[Dialect]
    model_name: str

    def __init__(
        self,
        cache_folder_path: str | None,
        start_timeout: float,
        timeout: float,
        environment: Mapping[str, str] | None,
    ) -> None:
        super().__init__(cache_folder_path)
        self.output_dialect = self.dialect
        self.start_timeout = start_timeout
        self._timeouts = Timeouts(answer=timeout)
        self._environment = dict(environment or {})
        self._live_clear()

    def _live_clear(self) -> None:
        self._live_server: ServerProcess | None = None
        self._live_wire: OpenAIChat | None = None
        self._live_lock = threading.Lock()
        self._live_template: Path | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._live_clear()

    # --- what a subclass says ---------------------------------------------------------------------------------------

    def _command(self, port: int) -> Sequence[str]:
        """The command line of the server."""
        raise NotImplementedError

    def _variables(self, key: str) -> Mapping[str, str]:
        """Environment variables of the server: the key that it shall ask for among them."""
        raise NotImplementedError

    def _sent(self, request: Request) -> Request:
        """`request` in this server's own words."""
        return request

    @property
    def _asked_name(self) -> str:
        """What the server calls the model."""
        return self.model_name

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> Generation:
        wire = self._live_wire
        if wire is None:
            wire = await asyncio.to_thread(self._started)
        try:
            return replace(await wire.ask(self._sent(request)), cost_usd=0.0)
        except (ServerUnreachableError, TransientModelError) as error:
            server = self._live_server
            ended = server.ended() if server is not None else None
            if ended is not None:
                self._live_wire = None  # the next question starts it again
                raise ended from error
            raise

    def _started(self) -> OpenAIChat:
        with self._live_lock:
            if self._live_wire is None:
                if self._live_server is None:
                    self._live_server = ServerProcess(
                        self.display_name,
                        self._command,
                        lambda key: {**self._variables(key), **self._environment},
                        self.start_timeout,
                    )
                self._live_server.start()
                self._live_wire = OpenAIChat(
                    f"{self._live_server.url}/v1/chat/completions",
                    self._asked_name,
                    {"Authorization": f"Bearer {self._live_server.key}"},
                    key_name="the key of this start of the server",
                    secret=self._live_server.key,
                    timeouts=self._timeouts,
                    format=self.format,
                )
            return self._live_wire

    def start(self) -> None:
        """Start the server now, and wait until it is ready.

        Raises:
            PermanentModelError: it does not start; the message has the end of its log.
        """
        self.check()
        self._started()

    def unload_model(self) -> None:
        """End the server. The next question starts it again."""
        with self._live_lock:
            server, self._live_server, self._live_wire = self._live_server, None, None
            if self._live_template is not None:
                self._live_template.unlink(missing_ok=True)
                self._live_template = None
        if server is not None:
            server.stop()

    def _template_file(self, template: str) -> str:
        """A file with `template`, for the server to read."""
        if self._live_template is None:
            with tempfile.NamedTemporaryFile("w", suffix=".jinja", delete=False, encoding="utf-8") as file:
                file.write(template)
            self._live_template = Path(file.name)
        return str(self._live_template)


def as_jinja(template: str | None) -> str:
    """A chat template over `messages`, from our short form (`{{prompt}}`), from jinja, or from None (plain text)."""
    if template is None:
        return PLAIN
    if "messages" in template:
        return template
    return _SHORT.sub(lambda match: _PROMPT if match[1] == "prompt" else _SYSTEM, template)


def flags(arguments: Mapping[str, Any], spelt: Callable[[str], str] = lambda name: name.replace("_", "-")) -> list[str]:
    """Keyword arguments as a command line: `max_model_len=4096` is `--max-model-len 4096`, True is the flag alone."""
    words: list[str] = []
    for name, value in arguments.items():
        if value is None:
            continue
        if value is True or value is False:
            words.append(f"--{'' if value else 'no-'}{spelt(name)}")
        elif isinstance(value, dict | list | tuple):
            words += [f"--{spelt(name)}", json.dumps(value)]
        else:
            words += [f"--{spelt(name)}", str(value)]
    return words
