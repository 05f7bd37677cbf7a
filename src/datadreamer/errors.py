"""The errors a user can meet.

Every error says what happened, with the value; why that is wrong; and what to do. Each also derives from the built-in
exception that a plain script would expect (`ValueError`, `TypeError`, `RuntimeError`), so old `except` clauses work.
"""

from __future__ import annotations


class DataDreamerError(Exception):
    """The root of every error that this library raises on purpose."""


class InvalidArgumentError(DataDreamerError, ValueError):
    """An argument has a value, or a name, that cannot be used."""


class InvalidTypeError(DataDreamerError, TypeError):
    """An argument has the wrong type."""


class SessionError(DataDreamerError, RuntimeError):
    """Something was asked of a session that is not running, is running already, or runs in memory."""


class MissingDependencyError(DataDreamerError, ImportError):
    """An optional package is needed and not installed; the message has the command that installs it."""


class MissingColumnError(DataDreamerError, KeyError):
    """A dataset has no column of this name; the message has the nearest one."""

    __str__ = Exception.__str__  # a KeyError would show the message in quotes


class CannotIdentifyError(DataDreamerError, TypeError):
    """A value has no identity that another machine could reproduce, so nothing may be cached under it."""


# --- what a step gives back -------------------------------------------------------------------------------------------


class StepError(DataDreamerError, RuntimeError):
    """A step stopped; the message names it, and what to do."""


class StepOutputError(DataDreamerError):
    """A step's result is missing, or is not of a shape that can become rows."""


class StepOutputTypeError(StepOutputError, TypeError):
    """A row does not fit its column: names row, column, expected and found type."""


class TooManyFailuresError(StepError):
    """More rows failed than the step's policy allows. What succeeded is kept."""


# --- files ------------------------------------------------------------------------------------------------------------


class FolderInUseError(DataDreamerError, RuntimeError):
    """Another process works in this output folder; the message has its pid and host."""


class FolderNotWritableError(DataDreamerError, OSError):
    """The output folder cannot be created or written."""


class DamagedFileError(DataDreamerError, RuntimeError):
    """A file is truncated, missing or does not match its digest."""


class NewerVersionError(DataDreamerError, RuntimeError):
    """A file was written by a newer version of this library than the one that reads it."""


class SourceError(DataDreamerError, ValueError):
    """A data source (file, folder, table) is missing, empty or cannot be parsed; names the file and line if known."""


# --- models -----------------------------------------------------------------------------------------------------------


class ModelError(DataDreamerError, RuntimeError):
    """A model, or the service in front of it, did not answer as asked."""


class PermanentModelError(ModelError):
    """Asking again cannot help: the request, the key or the model name is wrong."""


class AuthenticationError(PermanentModelError):
    """The service refused the key (HTTP 401 or 403); the message says which key was used, never its value."""


class ModelNotFoundError(PermanentModelError):
    """The service does not know the model (HTTP 404)."""


class BadRequestError(PermanentModelError):
    """The service refused the request itself (HTTP 400, 413, 422)."""


class ContextLengthError(BadRequestError, ValueError):
    """The prompt, with the answer it leaves room for, does not fit the model's context."""


class ContentFilterError(PermanentModelError):
    """The service withheld the answer, or refused the prompt, because of its content."""


class UnparsedAnswerError(ModelError):
    """An answer is no value of the `output_type` that was asked for, also after being asked again."""


class TruncatedAnswerError(ModelError):
    """An answer that was to be of an `output_type` ended because its room ended."""


class RefusedAnswerError(ModelError):
    """The model refused to answer with a value of the `output_type` that was asked for."""


class TransientModelError(ModelError):
    """Asking again may help: a connection error, a time-out, HTTP 5xx, an unreadable answer."""


class ServerUnreachableError(TransientModelError):
    """No connection to the service could be made."""


class RateLimitError(TransientModelError):
    """The service asks for fewer requests (HTTP 429). `retry_after` is in seconds when the service named a time."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotRecordedError(PermanentModelError):
    """A recording has no answer to what was asked; the message has the nearest request that it does have."""


class BudgetExceededError(DataDreamerError, RuntimeError):
    """The next request might cost more than the budget leaves; nothing was sent."""


# --- training ---------------------------------------------------------------------------------------------------------


class TrainingError(DataDreamerError, RuntimeError):
    """A trainer stopped; the message has its last lines and how to resume."""


def nearest(name: str, known: object) -> str:
    """A sentence that names the nearest known word, or lists all of them: for errors about unknown names."""
    import difflib

    words = sorted(str(word) for word in known)  # type: ignore[attr-defined]
    close = difflib.get_close_matches(name, words, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known: {', '.join(words)}." if words else "There are none."
