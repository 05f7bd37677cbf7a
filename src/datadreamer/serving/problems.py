"""Errors as clients of OpenAI know them: a status, and `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .. import errors


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, for a client."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


class RefusedError(Exception):
    """A request that cannot be answered as it is."""

    def __init__(self, message: str, param: str | None = None, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(status, message, code=code, param=param)


def problem_of(error: BaseException) -> Problem:
    """What `error` is to a client. Errors that are nobody's on purpose say no more than their kind."""
    if isinstance(error, RefusedError):
        return error.problem
    for kind, status, name, code in _KNOWN:
        if isinstance(error, kind):
            wait = getattr(error, "retry_after", None)
            headers = {} if wait is None else {"Retry-After": f"{max(1, round(wait))}"}
            return Problem(status, str(error), name, code, headers=headers)
    return Problem(500, f"The server met an error of its own: {type(error).__name__}.", "server_error")


# Most specific first.
_KNOWN: tuple[tuple[type[BaseException], int, str, str | None], ...] = (
    (errors.NotRecordedError, 404, "invalid_request_error", "not_recorded"),
    (errors.ContextLengthError, 400, "invalid_request_error", "context_length_exceeded"),
    (errors.ContentFilterError, 400, "invalid_request_error", "content_filter"),
    (errors.BadRequestError, 400, "invalid_request_error", None),
    (errors.AuthenticationError, 401, "authentication_error", "upstream_key"),
    (errors.ModelNotFoundError, 404, "invalid_request_error", "model_not_found"),
    (errors.BudgetExceededError, 429, "insufficient_quota", "insufficient_quota"),
    (errors.RateLimitError, 429, "rate_limit_error", "rate_limit_exceeded"),
    (errors.ServerUnreachableError, 502, "server_error", "upstream_unreachable"),
    (errors.TransientModelError, 503, "server_error", "upstream_error"),
    (errors.InvalidArgumentError, 400, "invalid_request_error", None),
    (errors.InvalidTypeError, 400, "invalid_request_error", None),
    (errors.DataDreamerError, 500, "server_error", None),
)
