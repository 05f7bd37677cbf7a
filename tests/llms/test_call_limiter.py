"""The limiter, with a clock that the test turns."""

from __future__ import annotations

import heapq

from datadreamer.llms.engine.limiter import CUT, FIRST, Limiter


class Service:
    """Answers at most `rate` requests a second, each after at least `latency` seconds, in simulated time."""

    def __init__(self, limiter: Limiter, latency: float, places: int, allowed: int | None = None) -> None:
        self.limiter = limiter
        self.latency = latency
        self.places = places  # served at the same time; the others queue
        self.allowed = allowed  # more in flight than this are refused
        self.now = 0.0
        self.queue: list[tuple[float, bool, int]] = []  # (end, refused, epoch)
        self.free_at = [0.0] * places
        self.most = 0
        self.answers = 0

    def run(self, answers: int) -> None:
        goal = self.answers + answers
        while self.answers < goal:
            while self.limiter.try_acquire(self.now):
                refused = self.allowed is not None and self.limiter.in_flight > self.allowed
                if refused:
                    end = self.now + 0.01
                else:
                    end = max(self.now, self.free_at[0]) + self.latency
                    heapq.heapreplace(self.free_at, end)
                heapq.heappush(self.queue, (end, refused, self.limiter.epoch))
                self.most = max(self.most, self.limiter.in_flight)
            if not self.queue:
                self.now = max(self.now, self.limiter.resume_at)
                continue
            self.now, refused, epoch = heapq.heappop(self.queue)
            if refused:
                self.limiter.limited(self.now, epoch, None)
            else:
                self.limiter.answered(self.now)
                self.answers += 1
            self.limiter.release()


def test_a_service_without_bounds_is_used_up_to_the_cap() -> None:
    service = Service(Limiter(200), latency=1.0, places=1_000)
    service.run(3000)
    assert service.most == 200
    assert service.now < 40


def test_a_server_with_few_places_is_not_piled_up() -> None:
    service = Service(Limiter(256), latency=1.0, places=4)
    service.run(600)
    assert service.limiter.limit <= FIRST
    assert service.most <= 2 * FIRST


def test_a_batching_server_is_filled_up_to_what_it_takes() -> None:
    service = Service(Limiter(256), latency=1.0, places=64)
    service.run(2000)
    assert 64 <= service.limiter.limit <= 128


def test_after_rate_limits_requests_stay_near_what_is_allowed() -> None:
    service = Service(Limiter(256), latency=0.2, places=1_000, allowed=50)
    service.run(2000)
    assert 50 * CUT * CUT <= service.limiter.limit <= 60
    assert service.limiter.epoch < 40


def test_one_burst_of_rate_limits_cuts_once() -> None:
    limiter = Limiter(16)
    for _ in range(16):
        assert limiter.try_acquire(0.0)
    for _ in range(16):
        limiter.limited(1.0, 0, None)
        limiter.release()
    assert limiter.limit == 16 * CUT
    assert limiter.epoch == 1


def test_retry_after_stops_everyone_until_then() -> None:
    limiter = Limiter(16)
    assert limiter.try_acquire(0.0)
    limiter.limited(1.0, 0, 7.5)
    limiter.release()
    assert not limiter.try_acquire(8.4)
    assert limiter.paused(8.0) == 0.5
    assert limiter.try_acquire(8.5)


def test_a_stale_retry_after_still_extends_the_pause() -> None:
    limiter = Limiter(16)
    for _ in range(2):
        assert limiter.try_acquire(0.0)
    limiter.limited(1.0, 0, 2.0)
    limiter.limited(1.5, 0, 10.0)
    assert limiter.resume_at == 11.5


def test_pauses_grow_while_nothing_is_answered_and_start_again_after_an_answer() -> None:
    limiter = Limiter(16)
    pauses = []
    now = 0.0
    for _ in range(3):
        assert limiter.try_acquire(now)
        limiter.limited(now, limiter.epoch, None)
        limiter.release()
        pauses.append(limiter.paused(now))
        now = limiter.resume_at
    assert pauses == [1.0, 2.0, 4.0]
    assert limiter.try_acquire(now)
    limiter.answered(now)
    limiter.limited(now, limiter.epoch, None)
    assert limiter.paused(now) == 1.0


def test_the_limit_never_falls_below_one() -> None:
    limiter = Limiter(4)
    for turn in range(20):
        now = turn * 1000.0
        assert limiter.try_acquire(now)
        limiter.limited(now, limiter.epoch, 0.0)
        limiter.release()
    assert limiter.limit == 1.0


def test_a_limit_that_nobody_reached_does_not_grow() -> None:
    limiter = Limiter(256)
    for _ in range(500):
        assert limiter.try_acquire(0.0)
        limiter.answered(1.0)
        limiter.release()
    assert limiter.limit == FIRST


def test_a_rate_limit_among_many_answers_cuts_nothing_and_stops_nobody() -> None:
    limiter, now = Limiter(16), 0.0
    for number in range(2000):
        now += 0.01
        assert limiter.try_acquire(now)
        if number > 50 and number % 20 == 19:
            assert limiter.limited(now, limiter.epoch, None) is False
        else:
            limiter.answered(now)
        limiter.release()
    assert (limiter.epoch, limiter.limit) == (0, 16.0)


def test_a_time_that_is_named_is_kept_by_everyone_however_rare_the_rate_limit() -> None:
    limiter = Limiter(16)
    for _ in range(100):
        assert limiter.try_acquire(0.0)
        limiter.answered(0.0)
        limiter.release()
    assert limiter.limited(1.0, 0, 5.0)
    assert limiter.epoch == 0
    assert limiter.paused(2.0) == 4.0


def test_many_rate_limits_among_answers_cut() -> None:
    limiter = Limiter(16)
    for number in range(100):
        assert limiter.try_acquire(float(number)) or limiter.paused(float(number))
        (limiter.answered(float(number)) if number % 5 else limiter.limited(float(number), limiter.epoch, None))
        limiter.in_flight = 0
    assert limiter.epoch >= 1
