"""Where a hosted model is, and which key opens it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from ..errors import InvalidArgumentError
from ..ledger import Redactor

_WORDS = re.compile(r"[A-Za-z]+([ _-][A-Za-z]+)*")
_LONG = 20

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service, as one model of it is asked."""

    url: str  # of the completions, whole
    identity: str  # what counts of it: scheme, host, port and path, without credentials and query
    host: str
    provider: str
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    key: str | None = field(repr=False, default=None)
    key_name: str = "none"  # what an error calls the key
    needs_key: bool = False

    @property
    def account(self) -> tuple[str, str]:
        """Equal for requests that share rate limits."""
        return self.identity, hashlib.sha256((self.key or "").encode()).hexdigest()[:12]


def resolve(
    model: str,
    base_url: str | None,
    api_key: str | None,
    organization: str | None,
    api_version: str | None,
    default_headers: Mapping[str, str] | None,
) -> Endpoint:
    """The endpoint that the arguments, and the environment where they are silent, name.

    `OPENAI_API_KEY` goes to OpenAI, or to the server that `OPENAI_BASE_URL` names beside it. A server that is named in
    the code gets the key that is named in the code, or none: a key is never sent to somebody it was not meant for.
    """
    from_environment = os.environ.get("OPENAI_BASE_URL")
    given = base_url or from_environment or OPENAI_URL
    base, host = _parsed(given)
    azure = host.endswith("azure.com")
    official = host == "api.openai.com" or host.endswith(".api.openai.com")
    variable = "AZURE_OPENAI_API_KEY" if azure else "OPENAI_API_KEY"
    key: str | None
    if api_key is not None:
        key, key_name = api_key, "the api_key argument"
    elif azure or official or base_url is None:
        key, key_name = os.environ.get(variable) or None, f"the environment variable {variable}"
    else:
        key, key_name = None, "none (a base_url other than OpenAI's own gets only a key passed as api_key=)"
    if key is not None and (not key.isascii() or any(char.isspace() for char in key)):
        raise InvalidArgumentError(f"The key in {key_name} has blanks or characters that no key has. Set it again.")
    headers = dict(default_headers or {})
    if api_key is not None:
        Redactor.default().add(*real_keys(api_key))  # before anything that quotes it can be written
    Redactor.default().add(*real_keys(*(value for name, value in headers.items() if _names_key(name))))
    if key:
        headers.update({"api-key": key} if azure else {"Authorization": f"Bearer {key}"})
    if organization:
        headers["OpenAI-Organization"] = organization
    path = f"/openai/deployments/{quote(model, safe='')}" if azure and api_version else ""
    query = f"?api-version={quote(api_version)}" if api_version else ""
    return Endpoint(
        url=f"{base}{path}/chat/completions{query}",
        identity=f"{base}{path}",
        host=host,
        provider="azure" if azure else "openai" if official else host,
        headers=headers,
        key=key,
        key_name=key_name,
        needs_key=azure or official,
    )


def real_keys(*values: str) -> list[str]:
    """Those that may be secret: not "none", "not-needed" and the like, which servers without keys are given."""
    return [value for value in values if len(value) >= _LONG or not _WORDS.fullmatch(value)]


def _names_key(header: str) -> bool:
    return any(word in header.lower() for word in ("auth", "key", "token", "secret", "cookie"))


def _parsed(url: str) -> tuple[str, str]:
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidArgumentError(f'base_url must look like "http://localhost:8000/v1", not {url!r}.')
    if parts.username or parts.password:
        raise InvalidArgumentError("base_url must not contain a user name or password: pass the key as api_key=.")
    netloc = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    netloc += f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", "")), parts.hostname
