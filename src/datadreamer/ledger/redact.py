"""Takes keys, passwords and home paths out of what is written.

Nearly everything that passes here is clean, so the question "is there anything?" has to cost next to nothing: keys are
long unbroken words, and prose has none. One table look-up per byte finds the long words; only they are looked at.
"""

from __future__ import annotations

import json
import os
import re
import string
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import patterns

_WORD = bytes(ord("a") if chr(i) in string.ascii_letters + string.digits + "_-" else ord(" ") for i in range(256))
_LONG = b"a" * 20  # no key of a known shape is shorter

_URL_PASSWORD = re.compile(patterns.URL_PASSWORD)
_QUERY_KEY = re.compile(patterns.QUERY_KEY)

_KEY_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL", re.IGNORECASE)
_SHARED_HOMES = {"/", "/root", "/var/root", "/home", "/Users", "/nonexistent", "/tmp"}  # tell nothing about anybody

_SECRET_FIELDS = frozenset(
    (
        "api_key",
        "apikey",
        "x_api_key",
        "x_goog_api_key",
        "authorization",
        "proxy_authorization",
        "password",
        "passwd",
        "passphrase",
        "secret",
        "client_secret",
        "secret_key",
        "access_token",
        "refresh_token",
        "auth_token",
        "hf_token",
        "private_key",
        "aws_secret_access_key",
        "aws_session_token",
        "cookie",
        "set_cookie",
    )
)
_SHOWN_HEADERS = frozenset(
    (
        "content-type",
        "content-length",
        "content-encoding",
        "date",
        "server",
        "retry-after",
        "request-id",
        "x-request-id",
        "user-agent",
        "accept",
        "anthropic-version",
        "anthropic-beta",
        "openai-version",
        "openai-processing-ms",
        "cf-ray",
        "x-should-retry",
    )
)

REDACTED = "[redacted:secret]"


class Redactor:
    """Replaces secrets by `[redacted:<kind>]` and the home folder by `~`. The same input gives the same output.

    Args:
        values: known secrets, at least 8 characters each; shorter ones are ignored, as they would hit innocent text.
        home: the path of the user's home folder; None leaves paths alone.
    """

    _default: Redactor | None = None
    _default_lock = threading.Lock()

    def __init__(self, values: Iterable[str] = (), home: str | None = None) -> None:
        self._values = {value for value in values if len(value) >= 8}
        self._home = None if home is None or home.rstrip("/\\") in _SHARED_HOMES | {""} else home.rstrip("/\\")
        self._lock = threading.Lock()
        self._compile()

    @classmethod
    def default(cls) -> Redactor:
        """The redactor of this process, which knows its environment variables and its home folder."""
        with cls._default_lock:
            if cls._default is None:
                cls._default = cls(home=os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
            cls._default.add(*environment_secrets(os.environ))
            return cls._default

    def add(self, *values: str) -> None:
        """Treat these values as secret from now on: a key given as an argument is in no environment variable."""
        with self._lock:
            new = {value for value in values if len(value) >= 8} - self._values
            if new:
                self._values |= new
                self._compile()

    def has_secret(self, data: str | bytes) -> bool:
        """True when redaction would change `data`."""
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        return any(pattern.search(raw) for pattern in self._worth_searching(raw))

    def data(self, data: bytes) -> bytes:
        """`data` without secrets; the same object when it has none."""
        for pattern in self._worth_searching(data):
            clean = pattern.sub(_replacement, data)
            data = data if clean == data else clean
        return data

    def text(self, text: str) -> str:
        """`text` without secrets; the same object when it has none."""
        raw = text.encode("utf-8", "surrogatepass")
        clean = self.data(raw)
        return text if clean is raw else clean.decode("utf-8", "surrogatepass")

    def json(self, value: Any) -> Any:
        """A JSON-able value without secrets. Fields named like `api_key` or `authorization` go whatever they hold."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.data(value)
        if isinstance(value, Mapping):
            return {self._name(key): self._field(key, item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.json(item) for item in value]
        return REDACTED if _is_secret(value) else value

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """HTTP headers that may be recorded: those on an allow-list, and rate limits. Others are named, not shown."""
        return {
            name: self.text(value)
            if name.lower() in _SHOWN_HEADERS or name.lower().startswith("x-ratelimit-")
            else "[redacted:header]"
            for name, value in headers.items()
        }

    def _name(self, key: Any) -> Any:
        return self.text(key) if isinstance(key, str) else key

    def _field(self, key: Any, item: Any) -> Any:
        named_secret = isinstance(key, str) and key.lower().replace("-", "_") in _SECRET_FIELDS
        if named_secret and isinstance(item, (str, bytes)) and item:
            return REDACTED
        return self.json(item)

    def _compile(self) -> None:
        values = sorted({form for value in self._values for form in _forms(value)}, key=lambda form: (-len(form), form))
        homes = [] if self._home is None else _forms(self._home)
        # A value that is one long word is looked for in long words only; any other by itself, behind a rare character.
        words = [value for value in values if len(value) >= len(_LONG) and b" " not in value.translate(_WORD)]
        loose = [value for value in values if value not in words]
        self._loose = [(_rarest(value), value) for value in [*loose, *homes]]
        escaped = [re.escape(word) for word in words]
        self._word_starts = re.compile(patterns.word_starts(escaped))
        self._words = re.compile(patterns.words(escaped))
        self._known = re.compile(patterns.known([*map(re.escape, loose)], [*map(re.escape, homes)]))

    def _worth_searching(self, data: bytes) -> list[re.Pattern[bytes]]:
        """The patterns that may match: nearly always none, found without searching."""
        worth = []
        words = data.translate(_WORD)
        at = words.find(_LONG)
        if at >= 0 and self._suspicious_word(data, words, at):
            worth.append(self._words)
        if b"@" in data and (b"://" in data or b":\\/\\/" in data):
            worth.append(_URL_PASSWORD)
        if b"=" in data and b"?" in data and _has_query_key(data):
            worth.append(_QUERY_KEY)
        for rare, value in self._loose:
            if rare in data and value in data:
                worth.append(self._known)
                break
        return worth

    def _suspicious_word(self, data: bytes, words: bytes, at: int) -> bool:
        unknown = False
        words += b" "  # so that every word has an end
        while at >= 0:
            start, end = words.rfind(b" ", 0, at) + 1, words.index(b" ", at)
            if not data.startswith(patterns.HARMLESS, start):
                if self._word_starts.search(data, max(0, start - 8), end):  # 8: "Bearer " stands before its word
                    return True
                unknown = True
            at = words.find(_LONG, end)
        return unknown and b"PRIVATE KEY" in data


def environment_secrets(environ: Mapping[str, str]) -> list[str]:
    """The values of variables that are named like keys and look like ones: no paths, words, or plain numbers."""
    return [value for name, value in environ.items() if _KEY_NAMES.search(name) and _looks_secret(value)]


def _looks_secret(value: str) -> bool:
    if len(value) < 8 or value.isdigit() or (value.isalpha() and len(value) < 16):
        return False
    if value[0] in "/~." or value[1:3] in (":\\", ":/") or "\n" in value:
        return False
    return "://" not in value and not Path(value).exists()


def hide_secret(value: Any) -> str:
    """For encoders: what stands for an object that holds a secret; a TypeError for any other."""
    if _is_secret(value):
        return REDACTED
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _is_secret(value: Any) -> bool:
    """Our own secret type, and pydantic's."""
    return type(value).__name__ == "Secret" or hasattr(value, "get_secret_value")


def _forms(value: str) -> list[bytes]:
    """The value as it may be spelt: plain, in JSON (with and without escaped slashes and non-ASCII), in a URL."""
    plain, escaped = json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(value)[1:-1]
    forms = [value, plain, escaped, plain.replace("/", "\\/"), escaped.replace("/", "\\/"), quote(value, safe="")]
    return list(dict.fromkeys(form.encode("utf-8", "surrogatepass") for form in forms))


def _rarest(value: bytes) -> bytes:
    """One byte of `value` that text seldom has, else all of it: one byte is found ten times faster."""
    for rare in b"~^`|$%#&+*!@\\=;<>?/":
        if rare in value:
            return bytes([rare])
    return value


def _has_query_key(data: bytes) -> bool:
    at = data.find(b"=")
    while at >= 0:
        if data[max(0, at - 9) : at].lower().endswith(patterns.QUERY_NAMES):
            return True
        at = data.find(b"=", at + 1)
    return False


def _replacement(match: re.Match[bytes]) -> bytes:
    kind = match.lastgroup or "secret"
    start, end = match.start(), match.end()
    inner_start, inner_end = match.span(kind)
    new = b"~" if kind == "home" else b"[redacted:%s]" % kind.replace("_", "-").encode()
    whole = match.group()
    return whole[: inner_start - start] + new + whole[len(whole) - (end - inner_end) :]
