"""What embedders behind a network have in common: an endpoint, a key, limits of a request, and what counts of them."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ..errors import AuthenticationError, InvalidArgumentError, nearest
from ..llms.engine.retry import ONCE, RetryPolicy
from ..llms.facts import UNKNOWN, ModelFacts, stated
from ..llms.own_models import code_of
from ..llms.tokens import estimate
from ..llms.wire.transport import Timeouts
from .embedder import Embedder

if TYPE_CHECKING:
    import numpy as np

    from ..llms.endpoint import Endpoint
    from ..llms.types import Request
    from .wire import Embedded, EmbeddingsWire

_OPTIONS = (
    "timeout",
    "connect_timeout",
    "max_in_flight",
    "max_context_length",
    "default_headers",
    "requests_per_minute",
    "tokens_per_minute",
    "price",
    "prices",
)
_UNBOUNDED = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What fits into one request."""

    texts: int = 2048
    tokens: int = 300_000  # estimated
    bytes: int = 4_000_000  # of UTF-8


class HostedEmbedder(Embedder):
    """The base of embedders that a service answers for, in the format of OpenAI.

    Args:
        model_name: as the service names it.
        place: where the service is, with the key.
        dimensions: numbers per vector to ask for. None: the model's own.
        retry_on_fail: ask again, with growing waits, after errors that may pass. False: every request is sent once.
            Rate limits are waited out in any case.
        cache_folder_path: see `Embedder`.
        options: `timeout` (seconds for one answer, 600), `connect_timeout` (seconds, 10), `max_in_flight` (most
            requests at once, 256), `max_context_length` (tokens of a text, where it is not known), `default_headers`,
            `requests_per_minute` and `tokens_per_minute` (limits of your own), `price` (US dollars per million tokens,
            where it is not known; or, as for every model, `prices={"input": …}`).

    Raises:
        InvalidArgumentError: an option is not known.
    """

    extra_parameters: ClassVar[frozenset[str]] = frozenset({"extra_body"})
    #: lengths are estimates, about a third to a half too high for English: refused here is what is surely too long
    length_slack: ClassVar[float] = 1.7
    limits: ClassVar[Limits] = Limits()
    max_in_flight: int = 256
    #: with retry_on_fail=False
    single_try: ClassVar[RetryPolicy] = ONCE
    _other_servers: ClassVar[str] = 'For a server that needs none, pass base_url="http://…".'

    def __init__(
        self,
        model_name: str,
        place: Endpoint,
        dimensions: int | None,
        retry_on_fail: bool,
        cache_folder_path: str | None,
        options: Mapping[str, Any],
    ) -> None:
        super().__init__(model_name, cache_folder_path)
        for name in options:
            if name not in _OPTIONS:
                raise InvalidArgumentError(f"{type(self).__name__} has no option '{name}'. {nearest(name, _OPTIONS)}")
        if dimensions is not None and (isinstance(dimensions, bool) or int(dimensions) < 1):
            raise InvalidArgumentError(f"dimensions is {dimensions!r}: it must be an integer of at least 1.")
        self.dimensions = dimensions
        self.retry_on_fail = bool(retry_on_fail)
        self.retry_policy = RetryPolicy()
        self.max_in_flight = int(options.get("max_in_flight") or type(self).max_in_flight)
        self._max_context_length: int | None = options.get("max_context_length")
        self._timeouts = Timeouts(
            connect=float(options.get("connect_timeout") or 10.0), answer=float(options.get("timeout") or 600.0)
        )
        self.requests_per_minute: float | None = options.get("requests_per_minute")
        self.tokens_per_minute: float | None = options.get("tokens_per_minute")
        self._stated_price = _stated_price(options)
        self._endpoint = place
        self.provider, self.host = place.provider, place.host
        self._learnt_dims: int | None = None

    def run(  # type: ignore[override]  # as published: without instruction, which is taken by keyword
        self,
        texts: Iterable[str],
        truncate: bool = False,
        batch_size: int = 10,
        batch_scheduler_buffer_size: int | None = None,
        adaptive_batch_size: bool = False,
        progress_interval: int | None = 60,
        force: bool = False,
        cache_only: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        total_num_texts: int | None = None,
        return_generator: bool = False,
        **kwargs: Any,
    ) -> list[np.ndarray] | Generator[np.ndarray, None, None]:
        """See `Embedder.run`. `instruction="query: "` and `extra_body={…}` (sent as it is) go by keyword."""
        given = {name: value for name, value in locals().items() if name not in ("self", "kwargs", "__class__")}
        return super().run(**given, **kwargs)

    # --- asking ---------------------------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> Embedded:
        answer = await self._live_wire.ask(request)
        self._learnt_dims = answer.vectors.shape[1]
        return answer

    @cached_property
    def _live_wire(self) -> EmbeddingsWire:
        from .wire import EmbeddingsWire

        place = self._endpoint
        return EmbeddingsWire(
            place.url,
            self.model_name,
            place.headers,
            key_name=place.key_name,
            secret=place.key,
            timeouts=self._timeouts,
            base64=self._base64,
        )

    @property
    def _base64(self) -> bool:
        """Whether the service is known to give vectors as bytes."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_live_")}

    def request_extra(self, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """What a request has beside its texts."""
        extra = dict(parameters)
        if self.dimensions is not None:
            extra["dimensions"] = self.dimensions
        return extra or None

    def refusal(self, text: str) -> str | None:
        """Why the service is known to refuse a text; None where it is not."""
        return None

    def check(self) -> None:
        import aiohttp  # noqa: F401  (now, in the caller's thread: on the loop it would hold up the calls of others)

        place = self._endpoint
        if place.needs_key and place.key is None:
            raise AuthenticationError(
                f"{self.display_name} needs a key. Set the environment variable {place.key_variable}, or pass it. "
                f"{self._other_servers}"
            )

    def account(self) -> Hashable:
        """What shares rate limits."""
        return (*self._endpoint.account, self.model_name)

    # what the engine asks of every model that is paid for

    @property
    def _price(self) -> Decimal | None:
        """US dollars per million tokens."""
        return self._stated_price

    @property
    def model_facts(self) -> ModelFacts:
        """Price of the tokens, where it is known."""
        if self._price is None:
            return UNKNOWN
        return ModelFacts(input_price=cast(Any, self._price), output_price=cast(Any, Decimal(0)))

    def _standard_price(self, request: Request) -> bool:
        return True

    def _context_length(self) -> int | None:
        return None  # of a request: it holds many texts

    def _get_max_output_length(self) -> int | None:
        return None

    # --- lengths and identity ---------------------------------------------------------------------------------------

    def count_tokens(self, value: str) -> int:
        """An estimate that is rarely too low."""
        return estimate(value)

    def _count_many(self, texts: list[str], instruction: str | None) -> list[int]:
        return [estimate((instruction or "") + text) for text in texts]

    @property
    def model_max_length(self) -> int:
        """Most tokens of a text; without bound where neither the table of models nor the caller says."""
        return self._max_context_length or _UNBOUNDED

    @property
    def dims(self) -> int:
        """Numbers in a vector.

        Raises:
            InvalidArgumentError: not known before the service has answered once.
        """
        known = self.dimensions or self._known_dims or self._learnt_dims
        if known is None:
            raise InvalidArgumentError(
                f"How long the vectors of {self.display_name} are is known after its first answer. Embed a text first, "
                "or pass dimensions=… to it."
            )
        return known

    @property
    def _known_dims(self) -> int | None:
        return None

    def cut(self, text: str, room: int) -> str:
        """The beginning of a text that surely has no more than `room` tokens."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if estimate(text[:middle]) <= room else (low, middle - 1)
        return text[:low]

    def spec(self) -> dict[str, Any]:
        spec = {
            "wire": "openai-embeddings",
            "endpoint": self._endpoint.identity,
            "model": self.model_name,
            "version": self.version,
            **code_of(type(self)),
        }
        if self.dimensions is not None:
            spec["dimensions"] = self.dimensions
        if self._max_context_length is not None:
            spec["max_context_length"] = self._max_context_length
        return spec


def _stated_price(options: Mapping[str, Any]) -> Decimal | None:
    """US dollars per million tokens, as the user says; there are no tokens of an answer to pay for."""
    price, prices = options.get("price"), options.get("prices")
    if price is not None and prices is not None:
        raise InvalidArgumentError('price=0.02 and prices={"input": 0.02} say the same: pass one of them.')
    if price is None and prices is None:
        return None
    given = {"input": price} if prices is None else dict(prices)
    found: Decimal | None = stated(None, {"output": 0, **given}).get("input_price")
    if found is None:
        raise InvalidArgumentError(f'prices={prices!r}: give {{"input": …}}, US dollars per million tokens.')
    return found
