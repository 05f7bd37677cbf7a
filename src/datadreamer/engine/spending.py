"""Budgets of sessions and steps, and the partial result of a step that was stopped by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _context
from ..errors import InvalidTypeError

if TYPE_CHECKING:
    from ..llms.budget import Budget
    from ..steps.step import Step


def checked_budget(value: Any, owner: str) -> Budget | None:
    """A budget as it was given, named after whom it belongs to.

    Raises:
        InvalidTypeError: it is something else.
    """
    if value is None:
        return None
    from ..llms.budget import Budget

    if not isinstance(value, Budget):
        raise InvalidTypeError(f"budget= takes a Budget, for example Budget(usd=5), not {value!r}.")
    if value.owner == "the budget":
        value.owner = owner
    return value


def budgets_over(step: Step) -> tuple[Budget, ...]:
    """What the calls of a step are paid from: its own budget, those of the step it is made in, and the session's."""
    outer = _context.scope()
    given = step.budget if "budget" not in step._declaration.fields else None  # else a field of the step's own class
    own = checked_budget(given, f"the budget of step '{step.name}'")
    session = getattr(_context.session(), "budget", None)
    above = outer.budgets if outer is not None else (session,)
    return tuple(dict.fromkeys(budget for budget in (own, *above) if budget is not None))
