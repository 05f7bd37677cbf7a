"""Amazon Bedrock: with an API key of its own, or with AWS credentials, for which botocore signs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from ..._lazy import require
from ...errors import AuthenticationError, InvalidArgumentError, MissingDependencyError
from ...ledger import Redactor
from .. import endpoint
from ..structured.dialects import ANTHROPIC
from ..wire.base import Wire
from ..wire.bedrock_converse import EXTRA, BedrockConverse
from .base import NO_LOGIT_BIAS, NO_SEED, Provider, Service

_REGION = "us-east-1"
_ELSEWHERE = "Converse has none. Models that have it take additional_model_request_fields={…}."


class Bedrock(Provider):
    """A model of Amazon Bedrock.

    Args:
        model_name: id of the model or of an inference profile, or its ARN.
        aws_access_key_id, aws_secret_access_key: credentials. None: what botocore finds (environment, profile, role).
        aws_region_name: None: `AWS_REGION` or `AWS_DEFAULT_REGION`, else "us-east-1".
        retry_on_fail: ask again after errors that may pass.
        cache_folder_path: see `LLM`.
        api_key: an API key of Bedrock, in place of credentials. None: `AWS_BEARER_TOKEN_BEDROCK`, if it is set and no
            credentials are given.
        aws_session_token: of temporary credentials.
        system_prompt, base_url, **kwargs: as in `Provider`.
    """

    service = Service(
        name="bedrock",
        base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
        path="/model/{model}/converse",
        key_variables=("AWS_BEARER_TOKEN_BEDROCK",),
        terms="https://aws.amazon.com/service-terms/",
        models="https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html",
    )
    output_dialect = ANTHROPIC
    wire_name = "bedrock-converse"
    extra_parameters = frozenset({"extra_body", "tool_choice", *EXTRA})
    refused_parameters: Mapping[str, str] = {**NO_SEED, **NO_LOGIT_BIAS, "repetition_penalty": _ELSEWHERE}

    def __init__(
        self,
        model_name: str,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_region_name: str | None = None,
        retry_on_fail: bool = True,
        cache_folder_path: str | None = None,
        *,
        api_key: str | None = None,
        aws_session_token: str | None = None,
        base_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        if (aws_access_key_id is None) != (aws_secret_access_key is None):
            raise InvalidArgumentError("Bedrock takes aws_access_key_id and aws_secret_access_key together.")
        self._credentials = (aws_access_key_id, aws_secret_access_key, aws_session_token)
        environment = os.environ
        self._region = (
            aws_region_name or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or _REGION
        )
        for secret in self._credentials[1:]:
            if secret:
                Redactor.default().add(secret)
        super().__init__(model_name, api_key, retry_on_fail, cache_folder_path, base_url=base_url, **kwargs)

    def _place(
        self, model_name: str, base_url: str | None, api_key: str | None, headers: Mapping[str, str]
    ) -> endpoint.Endpoint:
        service, own_url = self.service, f"https://bedrock-runtime.{self._region}.amazonaws.com"
        signed = self._credentials[0] is not None
        place = endpoint.at(
            own_url,
            service.path.format(model=quote(model_name, safe="")),
            service.name,
            service.key_variables,
            base_url,
            api_key,
            service.key_header,
            headers,
        )
        if signed and api_key is None:  # credentials in the code come before a key in the environment
            place = replace(place, key=None, headers=headers, key_name="the aws_access_key_id argument")
        return replace(place, needs_key=False)  # check() knows of credentials

    def _path(self, model_name: str) -> str:
        return self.service.path.format(model=quote(model_name, safe=""))

    def _wire(self, *arguments: Any, **named: Any) -> Wire:
        sign = self._sign if self._signs else None
        return BedrockConverse(*arguments, **named, sign=sign, plain_at_1="anthropic." in self.model_name)

    # --- signatures -------------------------------------------------------------------------------------------------

    @property
    def _signs(self) -> bool:
        """Whether credentials sign requests. A server that is named in the code gets only those named in the code."""
        return self._endpoint.key is None and (self._credentials[0] is not None or self._own)

    def check(self) -> None:
        super().check()
        if not self._signs:
            return
        try:
            found = self._live_credentials
        except MissingDependencyError:
            if self._credentials[0] is not None:
                raise
            found = None
        if found is None:
            raise AuthenticationError(
                f"{self.display_name} needs a key. Set the environment variable {self.service.key_variables[0]}, pass "
                "api_key=, or pass aws_access_key_id= and aws_secret_access_key=. (Credentials in the environment, a "
                'profile or a role are found with pip install "datadreamer[bedrock]".)'
            )

    def account(self) -> Hashable:
        return super().account(), self._credentials[0]

    @cached_property
    def _live_credentials(self) -> Any:
        if self._credentials[0] is not None:
            return self._botocore("credentials").Credentials(*self._credentials)
        return self._botocore("session").get_session().get_credentials()

    def _botocore(self, module: str) -> Any:
        return require(f"botocore.{module}", extra="bedrock", needed_for=f"{self.display_name} with AWS credentials")

    async def _sign(self, body: bytes) -> Mapping[str, str]:
        # in a thread: credentials of a role are renewed over the network, and block meanwhile
        return await asyncio.to_thread(self._signature, body)

    def _signature(self, body: bytes) -> Mapping[str, str]:
        """The headers of version 4 of AWS's signatures."""
        frozen = self._live_credentials.get_frozen_credentials()
        headers = {"Content-Type": "application/json"}
        request = self._botocore("awsrequest").AWSRequest("POST", self._endpoint.url, headers=headers, data=body)
        self._botocore("auth").SigV4Auth(frozen, "bedrock", self._region).add_auth(request)
        return {name: value for name, value in request.headers.items() if name != "Content-Type"}
