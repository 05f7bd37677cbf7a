"""Retry decisions are values."""

from __future__ import annotations

import random

import pytest

from datadreamer import errors
from datadreamer.llms.engine.retry import NEVER, Attempts, GiveUp, Retry, RetryPolicy

POLICY = RetryPolicy()
RNG = random.Random(0)


def decide(error: errors.ModelError, contacted: bool = True, now: float = 0.0, **attempts: float) -> Retry | GiveUp:
    return POLICY.decide(error, Attempts(**attempts), now, contacted, RNG)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [errors.AuthenticationError("no"), errors.ModelNotFoundError("no"), errors.PermanentModelError("no credit")],
)
def test_what_concerns_the_account_or_the_model_stops_the_run(error: errors.ModelError) -> None:
    assert decide(error, transient=1) == GiveUp(fatal=True)


@pytest.mark.parametrize(
    "error", [errors.BadRequestError("no"), errors.ContextLengthError("no"), errors.ContentFilterError("no")]
)
def test_what_concerns_one_request_is_that_request_s_failure(error: errors.ModelError) -> None:
    assert decide(error, transient=1) == GiveUp(fatal=False)


def test_an_error_that_may_pass_is_asked_again_until_the_attempts_are_used_up() -> None:
    error = errors.TransientModelError("500")
    waits = []
    for attempt in range(1, POLICY.transient_attempts):
        decision = decide(error, transient=attempt, first_error=0.0)
        assert isinstance(decision, Retry)
        waits.append(decision.after)
    assert decide(error, transient=POLICY.transient_attempts, first_error=0.0) == GiveUp()
    for attempt, wait in enumerate(waits):
        bound = min(POLICY.longest_wait, POLICY.first_wait * 2**attempt)
        assert bound / 2 <= wait <= bound


def test_an_error_that_may_pass_is_not_asked_for_ever() -> None:
    assert decide(errors.TransientModelError("500"), transient=2, first_error=0.0, now=301.0) == GiveUp()


def test_a_retry_after_on_a_server_error_is_kept() -> None:
    error = errors.TransientModelError("503")
    error.retry_after = 20.0  # type: ignore[attr-defined]
    assert decide(error, transient=1) == Retry(20.0)


def test_a_rate_limit_is_waited_out_by_everyone_so_the_request_only_queues_again() -> None:
    assert decide(errors.RateLimitError("429", 5.0), limited=50, first_error=0.0, now=1000.0) == Retry(0.0)


def test_a_retry_after_of_hours_is_a_quota_and_stops_the_run() -> None:
    assert decide(errors.RateLimitError("429", 7200.0), limited=1) == GiveUp(fatal=True)


def test_a_server_that_never_answered_is_given_up_soon() -> None:
    error = errors.ServerUnreachableError("refused")
    assert isinstance(decide(error, contacted=False, transient=2), Retry)
    assert decide(error, contacted=False, transient=3) == GiveUp(fatal=True)
    assert isinstance(decide(error, contacted=True, transient=3), Retry)


def test_without_retries_nothing_is_asked_again() -> None:
    for error in (errors.TransientModelError("x"), errors.RateLimitError("x", 0.1)):
        assert isinstance(NEVER.decide(error, Attempts(transient=1, limited=1), 0.0, True, RNG), GiveUp)
