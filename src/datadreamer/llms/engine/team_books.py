"""What is written down about the calls of several models together: under the team's keys, with who answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ...ledger import Usage
from .book import Book, _lock

if TYPE_CHECKING:
    from ..._context import StepScope
    from ..llm import LLM
    from ..parallel_llm import ParallelLLM
    from ..types import Failure, Generation


class TeamBook(Book):
    """The book of a team in one scope; `members` are the books of those who answer."""

    def __init__(self, llm: ParallelLLM, scope: StepScope | None) -> None:
        super().__init__(llm, scope)
        self.budgets = ()  # each member reserves for what it is asked, at its own price
        self.members = [MemberBook(one, scope, self.memory) for one in llm.members]

    def look_up(self, keys: Sequence[bytes]) -> dict[bytes, Generation]:
        if self.memory.empty or not keys:
            return {}
        from .record import from_record

        found = {}
        for key, record in self.memory.get(keys).items():
            found[key] = generation = from_record(key, record)
            self._of(record).hit(generation)
        return found

    def failed(self, failure: Failure) -> None:
        """Nobody had an answer. What the attempts cost is in the books of the members."""
        super().failed(replace(failure, usage=Usage(), cost_usd=None))

    def _of(self, record: Any) -> MemberBook:
        """The book of the member that gave a remembered answer."""
        return next((book for book in self.members if book.gave(record)), self.members[0])

    def _entry(self, scope: StepScope | None) -> dict[str, int]:
        return {}  # the members have entries


class MemberBook(Book):
    """The book of one member, in the memory of its team."""

    def __init__(self, llm: LLM, scope: StepScope | None, memory: Any) -> None:
        super().__init__(llm, scope)
        self.memory = memory
        self._name = str(getattr(llm, "public_name", None) or getattr(llm, "model_name", None) or "")

    def gave(self, record: Any) -> bool:
        """Whether this member, or one that is called as it is, gave a remembered answer."""
        return (record.provider, record.host, record.model) == (self.llm.provider, self.llm.host, self._name)

    def hit(self, generation: Generation) -> None:
        """An answer of this member was remembered."""
        with _lock:
            self.stats.hits += 1
            self._count_served(generation)

    def failed(self, failure: Failure) -> None:
        """It has no answer, but somebody else may: only what it cost counts here."""
        with _lock:
            self._add(failure.usage, failure.cost_usd)


def book_of(llm: LLM, scope: StepScope | None) -> Book:
    """The book of `llm`, which may be several models."""
    return TeamBook(llm, scope) if llm.members else Book(llm, scope)  # type: ignore[arg-type]
