"""Work stealing: order, unequal workers, workers that fail."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from datadreamer.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ServerUnreachableError,
    TransientModelError,
)
from datadreamer.llms.engine.stealing import Crew, steal


def crew(count: int) -> Crew:
    return Crew("ParallelThing", [f"worker {place}" for place in range(count)])


def test_results_keep_the_order_of_the_pieces_whoever_made_them() -> None:
    def worker(pause: float) -> Callable[[int], int]:
        def work(piece: int) -> int:
            time.sleep(pause if piece % 3 else 0)
            return piece * piece

        return work

    found = list(steal(range(60), [worker(0.003), worker(0.0), worker(0.001)], crew=crew(3)))
    assert found == [piece * piece for piece in range(60)]


def test_a_fast_worker_answers_more() -> None:
    counts: Counter[int] = Counter()
    slow_is_busy = threading.Event()
    rest_is_done = threading.Event()

    def slow(piece: int) -> int:
        counts[0] += 1
        slow_is_busy.set()
        assert rest_is_done.wait(10)
        return piece

    def fast(piece: int) -> int:
        slow_is_busy.wait(10)
        counts[1] += 1
        if counts[1] == 19:
            rest_is_done.set()
        return piece

    assert list(steal(range(20), [slow, fast], crew=crew(2))) == list(range(20))
    assert counts == {0: 1, 1: 19}


@pytest.mark.parametrize("error", [AuthenticationError("no key"), ServerUnreachableError("gone"), RuntimeError("CUDA")])
def test_a_worker_that_cannot_go_on_is_set_aside_and_its_piece_goes_to_the_others(error: Exception) -> None:
    broken_has_one = threading.Event()
    tried: list[int] = []

    def broken(piece: int) -> int:
        tried.append(piece)
        broken_has_one.set()
        raise error

    def good(piece: int) -> int:
        broken_has_one.wait(10)
        return piece

    who = crew(2)
    assert list(steal(range(50), [broken, good], crew=who)) == list(range(50))
    assert len(tried) == 1
    assert who.aside == {0: error}


def test_when_every_worker_has_stopped_the_error_of_the_first_is_raised_with_those_of_the_others() -> None:
    def without_key(piece: int) -> int:
        raise AuthenticationError("no key")

    def gone(piece: int) -> int:
        raise ServerUnreachableError("no connection")

    with pytest.raises(
        (AuthenticationError, ServerUnreachableError), match=r"None of the 2 models of ParallelThing"
    ) as caught:
        list(steal(range(5), [without_key, gone], crew=crew(2)))
    assert "no key" in str(caught.value) and "no connection" in str(caught.value)


def test_an_error_of_the_piece_is_raised_in_its_place_and_no_worker_is_set_aside() -> None:
    def work(piece: int) -> int:
        if piece == 7:
            raise ContextLengthError("piece 7 is too long")
        return piece

    who = crew(3)
    found: list[int] = []
    with pytest.raises(BadRequestError, match="piece 7"):
        for result in steal(range(20), [work] * 3, crew=who):
            found.append(result)
    assert found == list(range(7))
    assert not who.aside


def test_a_passing_error_is_tried_by_another_worker_and_raised_when_all_have_met_it() -> None:
    met: list[tuple[int, int]] = []

    def worker(place: int) -> Callable[[int], int]:
        def work(piece: int) -> int:
            met.append((place, piece))
            if piece == 3:
                raise TransientModelError("busy")
            return piece

        return work

    who = crew(2)
    with pytest.raises(TransientModelError, match="busy"):
        list(steal(range(6), [worker(0), worker(1)], crew=who))
    assert sorted(place for place, piece in met if piece == 3) == [0, 1]
    assert not who.aside


def test_pieces_are_taken_only_as_far_ahead_as_they_are_read() -> None:
    taken = 0

    def pieces() -> Iterator[int]:
        nonlocal taken
        for piece in range(100_000):
            taken += 1
            yield piece

    running = steal(pieces(), [lambda piece: piece] * 2, crew=crew(2), ahead=4)
    assert [next(running) for _ in range(10)] == list(range(10))
    running.close()
    assert taken <= 10 + 2 * 4 + 2


def test_closing_waits_for_the_pieces_in_hand() -> None:
    before = threading.active_count()
    running = steal(range(100), [lambda piece: time.sleep(0.01)] * 3, crew=crew(3))
    next(running)
    running.close()
    assert threading.active_count() == before


def test_no_pieces_no_threads() -> None:
    assert list(steal([], [lambda piece: piece], crew=crew(1))) == []


def test_ctrl_c_in_a_worker_reaches_the_reader() -> None:
    def work(piece: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(steal(range(3), [work, work], crew=crew(2)))
