"""Where a hosted model is, and which key opens it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from ..errors import InvalidArgumentError
from ..ledger import Redactor

_TOKEN = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]*")  # of Microsoft Entra: a JSON Web Token
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
    key_variable: str = ""  # the environment variable that may have it
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
    path: str = "/chat/completions",
    signed: bool = False,
) -> Endpoint:
    """The endpoint that the arguments, and the environment where they are silent, name.

    `OPENAI_API_KEY` goes to OpenAI, or to the server that `OPENAI_BASE_URL` names beside it. A server that is named in
    the code gets the key that is named in the code, or none: a key is never sent to somebody it was not meant for.

    Args:
        model: as the service names it; on Azure a deployment.
        base_url, api_key, organization, api_version, default_headers: as given to the model.
        path: what is asked there.
        signed: whether something else than a key opens it.
    """
    from_environment = os.environ.get("OPENAI_BASE_URL")
    given = base_url or from_environment or OPENAI_URL
    base, host = _parsed(given)
    azure = host.endswith("azure.com")
    official = host == "api.openai.com" or host.endswith(".api.openai.com")
    variable = "OPENAI_API_KEY" if not azure else _AZURE_VARIABLES[0]
    if azure and os.environ.get(_AZURE_VARIABLES[1]) and not os.environ.get(variable):
        variable = _AZURE_VARIABLES[1]
    key: str | None
    if signed:
        key, key_name = None, "the token of azure_ad_token_provider"
    elif api_key is not None:
        key, key_name = api_key, "the api_key argument"
    elif azure or official or base_url is None:
        key, key_name = os.environ.get(variable) or None, f"the environment variable {variable}"
    else:
        key, key_name = None, "none (a base_url other than OpenAI's own gets only a key passed as api_key=)"
    _checked(key, key_name)
    headers = dict(default_headers or {})
    Redactor.default().add(*_real_keys(*(value for name, value in headers.items() if _names_key(name))))
    if key:
        headers.update({"api-key": key} if azure and not _TOKEN.fullmatch(key) else bearer(key))
    if organization:
        headers["OpenAI-Organization"] = organization
    if azure:
        base = _azure_base(base, model, path, api_version)
    query = f"?api-version={quote(api_version)}" if api_version else ""
    return Endpoint(
        url=f"{base}{path}{query}",
        identity=base,
        host=host,
        provider="azure" if azure else "openai" if official else host,
        headers=headers,
        key=key,
        key_name=key_name,
        key_variable=" or ".join(_AZURE_VARIABLES) if azure else variable,
        needs_key=(azure or official) and not signed,
    )


_AZURE_VARIABLES = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN")


def _azure_base(base: str, model: str, path: str, api_version: str | None) -> str:
    """The address of a resource, with what `path` comes behind.

    A dated `api_version` asks a deployment at an address of its own; without one, the v1 API takes the deployment as
    the model, as OpenAI itself would. An address that already says which stays.
    """
    if base.endswith("/v1") or "/deployments/" in base:
        return base
    resource = base.removesuffix("/openai")
    if api_version in (None, "v1", "preview", "latest"):
        return f"{resource}/openai/v1"
    return f"{resource}/openai" if path == "/responses" else f"{resource}/openai/deployments/{quote(model, safe='')}"


def at(
    own_url: str,
    path: str,
    provider: str,
    variables: Sequence[str],
    base_url: str | None,
    key: str | None,
    key_header: Callable[[str], Mapping[str, str]],
    headers: Mapping[str, str],
    argument: str = "api_key",
) -> Endpoint:
    """The endpoint of a service with an address of its own, or of another server that speaks as it does.

    A key in the environment goes to the service itself; a server that is named in the code gets the key that is named
    in the code, or none.

    Args:
        own_url: where the service is.
        path: what is asked there, behind that address, beginning with a slash.
        provider: what the service is called in the record.
        variables: environment variables that may have the key; the first that is set counts.
        base_url: another address. None: the service's own.
        key: the key. None: from the environment.
        key_header: the headers that carry a key.
        headers: that are sent besides.
        argument: what the argument with the key is called.
    """
    base, host = _parsed(base_url or own_url)
    own = (base, host) == _parsed(own_url)
    name = f"the {argument} argument"
    if key is None and own:
        found = next((variable for variable in variables if os.environ.get(variable)), variables[0])
        key, name = os.environ.get(found) or None, f"the environment variable {found}"
    elif key is None:
        name = f"none (a base_url other than the service's own gets only a key passed as {argument}=)"
    _checked(key, name)
    return Endpoint(
        url=f"{base}{path}",
        identity=base,
        host=host,
        provider=provider if own else host,
        headers={**headers, **(key_header(key) if key else {})},
        key=key,
        key_name=name,
        key_variable=" or ".join(variables),
        needs_key=own,
    )


def bearer(key: str) -> dict[str, str]:
    """The usual header for a key."""
    return {"Authorization": f"Bearer {key}"}


def _checked(key: str | None, name: str) -> None:
    if key is None:
        return
    if not key.isascii() or any(char.isspace() for char in key):
        raise InvalidArgumentError(f"The key in {name} has blanks or characters that no key has. Set it again.")
    Redactor.default().add(*_real_keys(key))  # whoever is told the key may repeat it


def _real_keys(*values: str) -> list[str]:
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
