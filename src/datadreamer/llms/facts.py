"""What is known about a model without asking anyone: lengths, prices, terms. Read from `known/<service>.toml`."""

from __future__ import annotations

import datetime
import logging
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from ..errors import InvalidArgumentError, InvalidTypeError, nearest
from ..ledger import Usage
from .prices import UNPRICED, Prices

logger = logging.getLogger("datadreamer.llms")

STALE_DAYS = 120


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one model. None: not known. Prices are US dollars per million tokens, standard tier."""

    context: int | None = None  # tokens of prompt and answer together
    output: int | None = None  # most tokens of an answer
    input_price: Decimal | None = None
    cached_price: Decimal | None = None  # of a prompt token that came from the service's cache
    output_price: Decimal | None = None  # reasoning tokens are tokens of the answer
    batch_input_price: Decimal | None = None  # through the service's batch API
    batch_cached_price: Decimal | None = None
    batch_output_price: Decimal | None = None
    long_from: int | None = None  # a prompt of more tokens than this has the prices below
    long_input_price: Decimal | None = None
    long_cached_price: Decimal | None = None
    long_output_price: Decimal | None = None
    long_batch_input_price: Decimal | None = None
    long_batch_cached_price: Decimal | None = None
    long_batch_output_price: Decimal | None = None
    reasoning: bool | None = None  # takes no temperature, top_p, logit_bias, penalties or logprobs but the defaults
    license: str | None = None  # of the weights
    terms: str | None = None  # URL of the terms of use
    citation: str | None = None  # BibTeX
    retires: str | None = None  # ISO date on which the service takes it away
    source: str | None = None  # where this was read
    date: str | None = None  # ISO date on which it was true

    def cost(self, usage: Usage, batch: bool = False) -> float | None:
        """US dollars that a call cost; None when a price is not known."""
        return prices_of(self).cost(usage, batch)

    @property
    def stale(self) -> bool:
        """Whether the date of these facts is long ago."""
        if self.date is None:
            return False
        return (datetime.date.today() - datetime.date.fromisoformat(self.date)).days > STALE_DAYS


UNKNOWN = ModelFacts()
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")
_NAMES = frozenset(ModelFacts.__struct_fields__)
_SHORT = {name.removesuffix("_price"): name for name in _NAMES if name.endswith("_price")}


def facts_of(model: str, service: str = "openai") -> ModelFacts:
    """The facts about `model` at `service`, or about the model that it is a dated snapshot of."""
    table = _table(service)
    return table.get(model) or table.get(_SNAPSHOT.sub("", model)) or UNKNOWN


@lru_cache(maxsize=64)
def prices_of(facts: ModelFacts) -> Prices:
    """The prices among the facts, ready to be multiplied."""
    if facts.input_price is None or facts.output_price is None:
        return UNPRICED
    return Prices.of({short: getattr(facts, name) for short, name in _SHORT.items()}, facts.long_from)


def stated(facts: Mapping[str, Any] | None, prices: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the user says of a model, as fields of `ModelFacts`.

    Args:
        facts: by the names of `ModelFacts`.
        prices: US dollars per million tokens: `input`, `output`, and where they differ `cached`, `batch_input`,
            `batch_cached`, `batch_output`.

    Raises:
        InvalidArgumentError: a name is not known, or a price is negative or no number.
    """
    given = dict(facts or {})
    for name in given:
        if name not in _NAMES:
            raise InvalidArgumentError(f"facts= has no '{name}'. {nearest(name, _NAMES)}")
    for short, price in (prices or {}).items():
        if short not in _SHORT:
            raise InvalidArgumentError(f"prices= has no '{short}'. {nearest(short, _SHORT)}")
        given[_SHORT[short]] = price
    if prices and not {"input", "output"} <= prices.keys():
        raise InvalidArgumentError('prices= needs both: prices={"input": 0.5, "output": 1.5} (US dollars per million).')
    return {name: _price(name, value) if name.endswith("_price") else value for name, value in given.items()}


def with_stated(known: ModelFacts, given: Mapping[str, Any]) -> ModelFacts:
    """`known`, with what the user says in its place. Prices that the user gives replace all that were known.

    Raises:
        InvalidTypeError: a value has the wrong type.
    """
    if not given:
        return known
    before = msgspec.structs.asdict(known)
    if any(name.endswith("_price") for name in given):
        before = {name: value for name, value in before.items() if name not in ("date", "source", "long_from")}
        before = {name: value for name, value in before.items() if not name.endswith("_price")}
        if "input_price" in given:
            given = {"cached_price": given["input_price"], **given}
    try:
        return msgspec.convert({**before, **given}, ModelFacts)
    except msgspec.ValidationError as error:
        raise InvalidTypeError(f"facts=: {error}") from None


_said: set[str] = set()


def say_when_stale(facts: ModelFacts, name: str) -> None:
    """Say once that the prices a cost is made of are old."""
    if facts.stale and name not in _said:
        _said.add(name)
        logger.warning(
            "%s: costs are made of prices of %s (%s), which may have changed. prices={…} on the model says others.",
            name,
            facts.date,
            facts.source or "no source",
        )


def _price(name: str, value: Any) -> Decimal:
    try:
        price = Decimal(str(value))
    except (ArithmeticError, ValueError):
        price = Decimal(-1)
    if isinstance(value, bool) or not price.is_finite() or price < 0:
        raise InvalidArgumentError(f"'{name}' is US dollars per million tokens, for example 0.15, not {value!r}.")
    return price


@lru_cache(maxsize=16)
def _table(service: str) -> dict[str, ModelFacts]:
    file = Path(__file__).with_name("known") / f"{service}.toml"
    if not file.is_file():
        return {}
    content: dict[str, Any] = tomllib.loads(file.read_text("utf-8"), parse_float=Decimal)
    date = {"date": content["date"]}
    return {name: msgspec.convert({**date, **entry}, ModelFacts) for name, entry in content["models"].items()}
