"""Gemini on Google's Vertex AI: with credentials of Google Cloud, or with an API key of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import Any
from urllib.parse import quote

from ..._lazy import require
from ...errors import AuthenticationError, MissingDependencyError, TransientModelError
from ...ledger import Redactor
from .. import endpoint
from ..wire.gemini import Gemini
from .base import Service
from .google_ai_studio import GoogleAIStudio

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_MULTI_REGIONS = ("eu", "us")  # they have addresses of another form


class VertexAI(GoogleAIStudio):
    """A Gemini model on Vertex AI.

    Args:
        model_name: as the service names it.
        vertex_project: of Google Cloud. None: `GOOGLE_CLOUD_PROJECT`, else that of the credentials.
        vertex_location: None: `GOOGLE_CLOUD_LOCATION`, else "global".
        retry_on_fail: ask again after errors that may pass.
        cache_folder_path: see `LLM`.
        credentials: of google-auth. None: what google-auth finds (environment, `gcloud`, the machine's own).
        api_key: an API key of Google Cloud, in place of credentials and project. None: `GOOGLE_API_KEY`, if it is set
            and neither a project nor credentials are given.
        system_prompt, base_url, **kwargs: as in `Provider`.
    """

    service = Service(
        name="vertex-ai",
        base_url="https://aiplatform.googleapis.com/v1beta1",
        path="/publishers/google/models/{model}:generateContent",
        key_variables=("GOOGLE_API_KEY",),
        key_header=lambda key: {"x-goog-api-key": key},
        terms="https://cloud.google.com/terms",
        models="https://cloud.google.com/vertex-ai/generative-ai/docs/models",
        citation=GoogleAIStudio.service.citation,
    )
    _live_token: str | None = None
    _lock = Lock()  # one thread renews a token, and others wait for it

    def __init__(
        self,
        model_name: str,
        vertex_project: str | None = None,
        vertex_location: str | None = None,
        retry_on_fail: bool = True,
        cache_folder_path: str | None = None,
        *,
        credentials: Any = None,
        api_key: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._project = vertex_project or os.environ.get("GOOGLE_CLOUD_PROJECT") or None
        self._location = vertex_location or os.environ.get("GOOGLE_CLOUD_LOCATION") or "global"
        self._given = credentials
        super().__init__(model_name, api_key, retry_on_fail, cache_folder_path, **kwargs)

    def _place(
        self, model_name: str, base_url: str | None, api_key: str | None, headers: Mapping[str, str]
    ) -> endpoint.Endpoint:
        service = self.service
        place = endpoint.at(
            _address(self._location),
            self._path(model_name),
            service.name,
            service.key_variables,
            base_url,
            api_key,
            service.key_header,
            headers,
        )
        if api_key is None and (self._given is not None or self._project):
            place = replace(place, key=None, headers=headers, key_name="the credentials of Google Cloud")
        return replace(place, needs_key=False)  # check() knows of credentials

    def _wire(self, *arguments: Any, **named: Any) -> Gemini:
        if not self._signs:
            return Gemini(*arguments, **named)
        url, *others = arguments
        base, path = self._endpoint.identity, url.removeprefix(self._endpoint.identity)
        project = quote(self._project or self._live_credentials[1] or "", safe="")
        whole = f"{base}/projects/{project}/locations/{quote(self._location, safe='')}{path}"
        return Gemini(whole, *others, **named, sign=self._sign)

    def account(self) -> Hashable:
        return super().account(), self._project

    # --- credentials ------------------------------------------------------------------------------------------------

    @property
    def _signs(self) -> bool:
        """Whether tokens are sent. A server that is named in the code gets only those of credentials named there."""
        return self._endpoint.key is None and (self._given is not None or self._own)

    def check(self) -> None:
        super().check()
        if not self._signs:
            return
        _, own_project = self._live_credentials  # now: on the loop it would hold up the calls of others
        if not (self._project or own_project):
            raise AuthenticationError(
                f"{self.display_name} needs a project. Pass vertex_project=, or set GOOGLE_CLOUD_PROJECT."
            )

    @cached_property
    def _live_credentials(self) -> tuple[Any, str | None]:
        """Credentials, and the project that they name."""
        if self._given is not None:
            return self._given, getattr(self._given, "project_id", None)
        missing = (
            f"{self.display_name} needs a key. Set the environment variable {self.service.key_variables[0]}, or pass "
            'api_key= or credentials=. (Others are found with pip install "datadreamer[vertex]".)'
        )
        try:
            auth = require("google.auth", extra="vertex", needed_for=self.display_name)
        except MissingDependencyError as error:
            raise AuthenticationError(missing) from error
        try:
            found: tuple[Any, str | None] = auth.default(scopes=_SCOPES)
        except auth.exceptions.DefaultCredentialsError as error:
            raise AuthenticationError(f"{missing} google-auth found none: {error}") from error
        return found

    async def _sign(self, body: bytes) -> Mapping[str, str]:
        credentials, _ = self._live_credentials
        if not credentials.valid:
            await asyncio.to_thread(self._renew, credentials)  # over the network, and blocking
        if credentials.token != self._live_token:
            self._live_token = credentials.token
            Redactor.default().add(credentials.token)  # whoever is told the token may repeat it
        return {"Authorization": f"Bearer {credentials.token}"}

    def _renew(self, credentials: Any) -> None:
        auth = require("google.auth.exceptions", extra="vertex", needed_for=self.display_name)
        transport = require("google.auth.transport.requests", extra="vertex", needed_for=self.display_name)
        with self._lock:
            if credentials.valid:
                return
            try:
                credentials.refresh(transport.Request())
            except auth.TransportError as error:
                raise TransientModelError(f"No token of Google Cloud could be had: {error}") from error
            except auth.GoogleAuthError as error:
                raise AuthenticationError(f"Google Cloud gave no token for these credentials: {error}") from error


def _address(location: str) -> str:
    if location == "global":
        return VertexAI.service.base_url
    host = f"aiplatform.{location}.rep" if location in _MULTI_REGIONS else f"{location}-aiplatform"
    return f"https://{host}.googleapis.com/v1beta1"
