"""What is known of models, what the user says of them, and what calls cost."""

from __future__ import annotations

import datetime
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.ledger import Usage
from datadreamer.ledger.money import PICO, pico, sum_usd, usd
from datadreamer.llms import OpenAI, facts
from datadreamer.llms.providers.anthropic import Anthropic

TABLES = sorted((Path(facts.__file__).parent / "known").glob("*.toml"))
ONE = Usage(input_tokens=1, output_tokens=1)


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_every_row_of_the_tables_has_a_date_a_source_and_prices(table: Path) -> None:
    for name in tomllib.loads(table.read_text())["models"]:
        known = facts.facts_of(name, table.stem)
        assert known.date and datetime.date.fromisoformat(known.date) <= datetime.date(2026, 11, 30), name
        assert known.source and known.source.startswith("https://"), name
        assert known.cost(ONE), name
        assert known.retires is None or datetime.date.fromisoformat(known.retires), name
        assert known.context is None or known.output is None or known.output <= known.context, name


def test_prices_are_whole_picodollars_per_token() -> None:
    for table in TABLES:
        for name, row in tomllib.loads(table.read_text(), parse_float=Decimal)["models"].items():
            for field, price in row.items():
                if field.endswith("_price"):
                    assert price * 10**6 == int(price * 10**6), (name, field)


def test_batch_prices_are_the_services_own() -> None:
    known = facts.facts_of("gpt-4o-mini")
    million = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    assert known.cost(million) == 0.75
    assert known.cost(million, batch=True) == 0.375


def test_a_long_prompt_has_its_own_price() -> None:
    known = facts.facts_of("gemini-2.5-pro", "google-ai-studio")
    assert known.cost(Usage(input_tokens=200_000)) == 0.25
    assert known.cost(Usage(input_tokens=200_001)) == pytest.approx(0.5000025, abs=1e-12)


def test_unknown_is_never_nothing() -> None:
    assert facts.UNKNOWN.cost(ONE) is None
    assert facts.facts_of("gpt-4o-mini").cost(Usage()) is None  # the service did not say the tokens
    half = facts.ModelFacts(input_price=Decimal(1), output_price=Decimal(1))
    assert half.cost(Usage(input_tokens=5, cached_tokens=3)) is None
    assert half.cost(ONE, batch=True) is None


def test_what_the_user_says_counts_more_than_the_table() -> None:
    plain = OpenAI("gpt-4o-mini", api_key="k")
    mine = OpenAI("gpt-4o-mini", api_key="k", prices={"input": 1, "output": "2.5"}, facts={"output": 100})
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    assert mine.model_facts.cost(usage) == 3.5
    assert mine.model_facts.cost(usage, batch=True) is None  # the table's price for batches belongs to its others
    assert mine._get_max_output_length() == 100
    assert mine.spec() == plain.spec()


def test_prices_of_any_server_can_be_said() -> None:
    llm = OpenAI("mine", base_url="http://h/v1", prices={"input": 0.1, "output": 0.2, "cached": 0.05})
    assert llm.model_facts.cost(Usage(input_tokens=10, cached_tokens=10, output_tokens=10)) == 2.5e-6
    stated = Anthropic("claude-x", api_key="k", facts={"license": "MIT", "retires": "2027-01-01"})
    assert (stated.model_facts.license, stated.model_facts.retires) == ("MIT", "2027-01-01")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prices": {"inputs": 1, "output": 1}}, "'input'"),
        ({"prices": {"input": 1}}, "needs both"),
        ({"prices": {"input": -1, "output": 1}}, "US dollars per million"),
        ({"prices": {"input": "much", "output": 1}}, "US dollars per million"),
        ({"facts": {"contxt": 5}}, "context"),
    ],
)
def test_mistakes_in_prices_and_facts_are_named(given: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        OpenAI("m", api_key="k", **given)


def test_a_fact_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="context"):
        OpenAI("m", api_key="k", facts={"context": "big"}).model_facts  # noqa: B018


def test_old_prices_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    old = facts.ModelFacts(date="2020-01-01", source="https://example.org/prices")
    for _ in range(3):
        facts.say_when_stale(old, "Old (model)")
    assert [record.getMessage() for record in caplog.records if "2020-01-01" in record.getMessage()] == [
        "Old (model): costs are made of prices of 2020-01-01 (https://example.org/prices), which may have changed. "
        "prices={…} on the model says others."
    ]


def test_sums_do_not_drift() -> None:
    assert sum([0.1] * 1000) != 100
    assert sum_usd([0.1] * 1000) == 100
    assert sum_usd([None, None]) is None
    assert sum_usd([None, 0.25]) == 0.25
    assert usd(pico(0.1) * 3) == 0.3
    assert pico(Decimal("0.000000000001")) == 1 and pico(1) == PICO
