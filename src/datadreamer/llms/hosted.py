"""What models behind a network have in common: an endpoint, a key, options, and what counts of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import AuthenticationError, InvalidArgumentError, nearest
from .facts import UNKNOWN, ModelFacts, prices_of, say_when_stale, stated, with_stated
from .llm import LLM
from .wire.transport import Timeouts

if TYPE_CHECKING:
    from .endpoint import Endpoint
    from .prices import Prices
    from .types import Generation, Request
    from .wire.base import Wire

_OPTIONS = (
    "timeout",
    "connect_timeout",
    "max_in_flight",
    "max_context_length",
    "default_headers",
    "requests_per_minute",
    "tokens_per_minute",
    "stream",
    "prices",
    "facts",
)


class Hosted(LLM):
    """The base of models that a service answers for. A subclass makes the wire.

    Args:
        model_name: as the service names it.
        place: where the service is, with the key.
        system_prompt: None or "" sends none.
        retry_on_fail: ask again, with growing waits, after errors that may pass. Rate limits are waited out.
        cache_folder_path: see `LLM`.
        options: `timeout` (seconds for one answer, 600), `connect_timeout` (seconds, 10), `max_in_flight` (most
            requests at once, 256), `max_context_length` (tokens, where it is not known), `default_headers` (a dict),
            `requests_per_minute` and `tokens_per_minute` (limits of your own, shared by all models of the account),
            `stream` (receive answers in pieces, for proxies that close connections on which nothing is sent),
            `prices` (US dollars per million tokens, `{"input": 0.5, "output": 1.5}`, also `cached`, `batch_input`,
            `batch_cached`, `batch_output`), `facts` (what else is known of the model, by the names of `ModelFacts`).

    Raises:
        InvalidArgumentError: an option is not known.
    """

    wire_name: str
    #: whether the wire can receive answers in pieces
    can_stream: ClassVar[bool] = False

    def __init__(
        self,
        model_name: str,
        place: Endpoint,
        system_prompt: str | None,
        retry_on_fail: bool,
        cache_folder_path: str | None,
        options: Mapping[str, Any],
    ) -> None:
        super().__init__(cache_folder_path)
        for name in options:
            if name not in _OPTIONS:
                raise InvalidArgumentError(f"{type(self).__name__} has no option '{name}'. {nearest(name, _OPTIONS)}")
        self.model_name = model_name
        self.system_prompt = system_prompt or None
        self.retry_on_fail = retry_on_fail
        self.max_in_flight = int(options.get("max_in_flight") or type(self).max_in_flight)
        self._stated = stated(options.get("facts"), options.get("prices"))
        self._max_context_length: int | None = options.get("max_context_length") or self._stated.get("context")
        self._timeouts = Timeouts(
            connect=float(options.get("connect_timeout") or 10.0), answer=float(options.get("timeout") or 600.0)
        )
        self.requests_per_minute = _positive(options, "requests_per_minute")
        self.tokens_per_minute = _positive(options, "tokens_per_minute")
        self._stream = bool(options.get("stream"))
        if self._stream and not self.can_stream:
            raise InvalidArgumentError(f"{type(self).__name__} takes no stream=True: its answers come whole.")
        self._endpoint = place
        self.provider = place.provider
        self.host = place.host

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> Generation:
        return self.priced(await self._live_wire.ask(request), request)

    def priced(self, answer: Generation, request: Request, batch: bool = False) -> Generation:
        """The answer with what it cost, where that is known and the service has not said it itself."""
        if answer.cost_usd is not None or not self._standard_price(request):
            return answer
        cost = self._live_prices.cost(answer.usage, batch)
        if cost is None:
            return answer
        from msgspec.structs import replace

        return replace(answer, cost_usd=cost)

    def _standard_price(self, request: Request) -> bool:
        """Whether the prices that are known of the model hold for `request`."""
        return (request.extra or {}).get("service_tier", "default") in ("auto", "default")

    @cached_property
    def _live_prices(self) -> Prices:
        facts = self.model_facts
        say_when_stale(facts, self.display_name)
        return prices_of(facts)

    @cached_property
    def _live_wire(self) -> Wire:
        place = self._endpoint
        return self._wire(
            place.url,
            self.model_name,
            place.headers,
            key_name=place.key_name,
            secret=place.key,
            timeouts=self._timeouts,
        )

    def _wire(self, *arguments: Any, **named: Any) -> Wire:
        """The wire, from what every wire takes."""
        raise NotImplementedError

    def check(self) -> None:
        import aiohttp  # noqa: F401  (now, in the caller's thread: on the loop it would hold up the calls of others)

        place = self._endpoint
        if place.needs_key and place.key is None:
            raise AuthenticationError(
                f"{self.display_name} needs a key. Set the environment variable {place.key_variable}, or pass it. "
                f"{self._other_servers}"
            )

    _other_servers: ClassVar[str] = 'For a server that needs none, pass base_url="http://…".'

    def account(self) -> Hashable:
        return (*self._endpoint.account, self.model_name)

    # --- identity and facts -----------------------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        return {
            "wire": self.wire_name,
            "endpoint": self._endpoint.identity,
            "model": self.model_name,
            "version": self.version,
            "system_prompt": self.system_prompt,
        }

    @property
    def _facts(self) -> ModelFacts:
        return UNKNOWN

    @property
    def model_facts(self) -> ModelFacts:
        return with_stated(self._facts, self._stated)

    def _context_length(self) -> int | None:
        return self._max_context_length or self.model_facts.context

    def _get_max_output_length(self) -> int | None:
        return self.model_facts.output


def _positive(options: Mapping[str, Any], name: str) -> float | None:
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidArgumentError(f"'{name}' must be a number above 0, not {value!r}.")
    return float(value)
