"""Several models that take the next piece of work when they are free: order kept, a model that fails set aside.

A fixed share for each model makes all wait for the slowest. Here a piece belongs to nobody until a model takes it, so
a model that is ten times faster answers ten times as much, and one that stops answering costs only its piece in hand.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextvars import copy_context
from typing import Generic, TypeVar

from ...errors import (
    BadRequestError,
    CannotIdentifyError,
    ContentFilterError,
    DataDreamerError,
    InvalidArgumentError,
    InvalidTypeError,
    MissingDependencyError,
    ModelError,
    PermanentModelError,
    ServerUnreachableError,
    TransientModelError,
)

logger = logging.getLogger("datadreamer.llms")

Piece = TypeVar("Piece")
Result = TypeVar("Result")

AHEAD = 16  # pieces for each worker between the oldest that is not yet read and the newest that was taken
_OF_THE_PIECE = (BadRequestError, ContentFilterError, InvalidArgumentError, InvalidTypeError, CannotIdentifyError)


def is_stopping(error: BaseException) -> bool:
    """Whether `error` says that this model cannot go on: its key, its server, its memory, a fault in its code."""
    if isinstance(error, _OF_THE_PIECE):
        return False
    if isinstance(error, TransientModelError):
        return isinstance(error, ServerUnreachableError)
    return isinstance(error, (PermanentModelError, MissingDependencyError)) or not isinstance(error, DataDreamerError)


def is_passing(error: BaseException) -> bool:
    """Whether another model, or the same one later, may succeed where this error was raised."""
    return isinstance(error, TransientModelError) and not is_stopping(error)


class Crew:
    """Who of several workers still works, and why the others do not.

    Args:
        whole: what the workers are together, for messages.
        names: of the workers.
    """

    def __init__(self, whole: str, names: Sequence[str]) -> None:
        self.whole = whole
        self.names = tuple(names)
        self.aside: dict[int, BaseException] = {}  # worker to the error that stopped it

    @property
    def working(self) -> list[int]:
        """The workers that have not been set aside, by position."""
        return [place for place in range(len(self.names)) if place not in self.aside]

    def set_aside(self, place: int, error: BaseException) -> None:
        """Worker `place` met an error after which it gets no more work; its piece in hand goes to the others."""
        if place in self.aside:
            return
        self.aside[place] = error
        others = len(self.working)
        if others:
            goes = f"the other {others} go on" if others > 1 else "the other goes on"
            logger.warning("%s: %s is set aside, %s: %s", self.whole, self.names[place], goes, _said(error))

    def error(self) -> BaseException:
        """What to raise when nobody works any more: the error of the first that stopped, with what the others met."""
        first, *others = self.aside.items()
        if not others or not isinstance(first[1], ModelError):
            return first[1]
        told = "; ".join(f"{self.names[place]}: {_said(error)}" for place, error in (first, *others))
        kind = type(first[1])
        return kind(f"None of the {len(self.names)} models of {self.whole} can answer. {told}")


def steal(
    pieces: Iterable[Piece],
    workers: Sequence[Callable[[Piece], Result]],
    *,
    crew: Crew,
    ahead: int = AHEAD,
) -> Generator[Result, None, None]:
    """The results of `pieces`, in order, each made by whichever worker was free.

    Pieces are taken from the caller's thread, as results are read. Every worker has one thread, in which the context of
    the caller holds. Closing the generator waits for the pieces in hand and takes no more.

    Args:
        pieces: work of about equal size; small, for at the end all wait for the last piece.
        workers: one call answers one piece.
        crew: their names, in the same order.
        ahead: pieces for each worker between the oldest unread result and the newest piece.

    Raises:
        Exception: in its place, what a worker raised because of the piece; or, when all workers have been set aside,
            the error of the first.
    """
    bench = _Bench(pieces, workers, crew, ahead)
    try:
        yield from bench.results()
    finally:
        bench.close()


class _Job(Generic[Piece, Result]):
    """One piece, who failed at it, and what became of it."""

    __slots__ = ("done", "error", "piece", "result", "tried")

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.tried: set[int] = set()
        self.done = False
        self.result: Result | None = None
        self.error: BaseException | None = None


class _Bench(Generic[Piece, Result]):
    """The pieces between the reader and the workers."""

    def __init__(
        self, pieces: Iterable[Piece], workers: Sequence[Callable[[Piece], Result]], crew: Crew, ahead: int
    ) -> None:
        self._pieces = iter(pieces)
        self._workers = workers
        self._crew = crew
        self._most = max(2, ahead) * len(workers)
        self._window: deque[_Job[Piece, Result]] = deque()  # what the reader has not read, in order
        self._waiting: deque[_Job[Piece, Result]] = deque()  # what nobody has taken
        self._changed = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []

    # --- the reader's side ------------------------------------------------------------------------------------------

    def results(self) -> Generator[Result, None, None]:
        exhausted = False
        while True:
            job = self._next(exhausted)
            if job is not None:
                if job.error is not None:
                    raise job.error
                yield job.result  # type: ignore[misc]
            elif exhausted:
                return
            else:
                exhausted = not self._take()

    def _next(self, exhausted: bool) -> _Job[Piece, Result] | None:
        """The oldest piece, answered; None when it is time for another one (or, when exhausted, for the end)."""
        with self._changed:
            while True:
                room = len(self._window) < self._most and not exhausted
                if room and len(self._waiting) < len(self._crew.working):
                    return None
                if self._window and self._window[0].done:
                    return self._window.popleft()
                if not self._window and exhausted:
                    return None
                if not self._crew.working:
                    raise self._crew.error()
                self._changed.wait(1.0)

    def _take(self) -> bool:
        """Take one piece; False when there is none."""
        try:
            job: _Job[Piece, Result] = _Job(next(self._pieces))
        except StopIteration:
            return False
        with self._changed:
            self._window.append(job)
            self._waiting.append(job)
            self._changed.notify_all()
        if not self._threads:
            self._start()
        return True

    def _start(self) -> None:
        for place in range(len(self._workers)):
            run = copy_context().run
            thread = threading.Thread(target=run, args=(self._work, place), name=f"datadreamer-parallel-{place}")
            thread.daemon = True
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Take nothing more, and wait for the pieces in hand."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    # --- a worker's side --------------------------------------------------------------------------------------------

    def _work(self, place: int) -> None:
        while (job := self._job_for(place)) is not None:
            try:
                job.result = self._workers[place](job.piece)
                job.error = None
            except BaseException as error:  # whatever it is, the reader must hear of it
                self._failed(place, job, error)
            else:
                self._finish(job)

    def _job_for(self, place: int) -> _Job[Piece, Result] | None:
        """The oldest piece that `place` has not failed at, once there is one; None when there is no more to do."""
        with self._changed:
            while not self._closed and place not in self._crew.aside:
                for position, job in enumerate(self._waiting):
                    if place not in job.tried:
                        del self._waiting[position]
                        self._changed.notify_all()
                        return job
                self._changed.wait()
            return None

    def _failed(self, place: int, job: _Job[Piece, Result], error: BaseException) -> None:
        job.error = error
        job.tried.add(place)
        again = isinstance(error, Exception) and (is_stopping(error) or is_passing(error))
        with self._changed:
            if again:
                if is_stopping(error):
                    self._crew.set_aside(place, error)
                self._waiting.appendleft(job)
                self._drop_hopeless()
            else:
                job.done = True
            self._changed.notify_all()

    def _drop_hopeless(self) -> None:
        """What everybody who still works has failed at gets its last error. (With nobody left, the reader raises.)"""
        working = set(self._crew.working)
        for job in [job for job in self._waiting if working and working <= job.tried]:
            self._waiting.remove(job)
            job.done = True

    def _finish(self, job: _Job[Piece, Result]) -> None:
        with self._changed:
            job.done = True
            self._changed.notify_all()


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
