"""Decoding by a grammar: tokens that would leave it are masked, row by row (llguidance).

A row's mask follows from its own tokens alone, so an answer does not depend on the batch around it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from ... import _lazy
from ...errors import InvalidArgumentError

SAFE_INTEGER = 2**53 - 1  # integers without bounds of their own stay within what every reader of JSON keeps exact
# One spacing, that of Python's json.dumps: a small model would write blanks for ever.
_SPACING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_MATCHERS = 64  # compiled grammars that are kept for one tokenizer
_LOWER = ("minimum", "exclusiveMinimum")
_UPPER = ("maximum", "exclusiveMaximum")

_kits: WeakKeyDictionary[Any, dict[Any, _Kit]] = WeakKeyDictionary()
_lock = Lock()


def constraint(
    formats: Sequence[Mapping[str, Any] | None], tokenizer: Any, vocabulary: int, ends: Collection[int], start: int
) -> Constraint | None:
    """The logits processor that keeps each row of a batch within its format; None when no row has one.

    Args:
        formats: the `response_format` of each row.
        tokenizer: a fast tokenizer of transformers.
        vocabulary: width of the logits.
        ends: tokens that end an answer.
        start: tokens of the decoder's input before the first generated one.

    Raises:
        MissingDependencyError: llguidance is not installed.
        InvalidArgumentError: a format that cannot be decoded by; the message says why.
    """
    if all(format is None or format["type"] == "text" for format in formats):
        return None
    kit = _kit(tokenizer, vocabulary, ends)
    matchers = [None if format is None or format["type"] == "text" else kit.matcher(format) for format in formats]
    return Constraint(matchers, kit.executor, ends, start)


class Constraint:
    """Masks what the grammars of a batch do not allow. Called by `generate` with every new token."""

    def __init__(self, matchers: Sequence[Any], executor: Any, ends: Collection[int], start: int) -> None:
        self._matchers = list(matchers)
        self._active = {row: matcher for row, matcher in enumerate(matchers) if matcher is not None}
        self._executor = executor
        self._ends = sorted(ends)
        self._start = start
        self._seen = [0] * len(matchers)  # generated tokens that each matcher knows

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        if input_ids.shape[1] > self._start:
            for row, token in zip(list(self._active), input_ids[list(self._active), -1].tolist(), strict=True):
                self._take(row, token)
        if not self._active:
            return scores
        forbidden = self._forbidden(scores.shape[1], len(scores)).to(scores.device)
        masked = scores.masked_fill(forbidden, float("-inf"))
        dead = masked.amax(dim=-1) == float("-inf")
        if bool(dead.any()):  # what else was forbidden (a repeated n-gram, an early end) left nothing: the grammar wins
            masked[dead] = masked.new_zeros(()).masked_fill(forbidden[dead], float("-inf"))
        return masked

    def complete(self, row: int, ids: Sequence[int]) -> bool:
        """Whether the answer of `row`, which ended because its room ended, was at its end all the same."""
        matcher = self._matchers[row]
        if matcher is None:
            return False
        rest = list(ids[self._seen[row] :])
        return bool(matcher.consume_tokens(rest) and matcher.is_stopped() and matcher.is_accepting())

    def _take(self, row: int, token: int) -> None:
        self._seen[row] += 1
        matcher = self._active[row]
        if token in self._ends or not matcher.consume_token(token):
            del self._active[row]  # padding follows

    def _forbidden(self, vocabulary: int, rows: int) -> Any:
        """Bool of shape (rows, vocabulary): what each row may not be followed by."""
        import numpy as np
        import torch

        words = -(-vocabulary // 32)
        mask = torch.full((rows, words), -1, dtype=torch.int32)
        work = [(matcher, row) for row, matcher in self._active.items()]
        self._executor.unsafe_compute_mask_ptr(work, mask.data_ptr(), words * 4, rows)
        for row, matcher in self._active.items():
            if (
                matcher.is_error()
            ):  # a grammar too large for this text: end here, and let the reader say what is missing
                mask[row] = 0
                for end in self._ends:
                    mask[row, end // 32] |= 1 << end % 32 if end % 32 < 31 else -(1 << 31)
        bits = np.unpackbits((~mask).numpy().view(np.uint8), axis=1, count=vocabulary, bitorder="little")
        return torch.from_numpy(bits).view(torch.bool)


class _Kit:
    """What is made once for a tokenizer: its form for llguidance, and grammars compiled for it."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Collection[int]) -> None:
        self._library = _lazy.require("llguidance", extra="hf", needed_for="decoding by a schema, a pattern or choices")
        adapter = _lazy.require("llguidance.hf", extra="hf", needed_for="decoding by a schema, a pattern or choices")
        try:
            self._tokenizer = adapter.from_tokenizer(
                tokenizer, n_vocab=max(vocabulary, len(tokenizer)), eos_token=sorted(ends) or None
            )
        except (ValueError, TypeError, RuntimeError) as error:
            raise InvalidArgumentError(
                f"The tokenizer {type(tokenizer).__name__} cannot be used for decoding by a schema: {error}. Set the "
                "model's output_dialect to None, and types are asked for in words."
            ) from error
        self.executor = self._library.LLExecutor()
        self._compiled: dict[str, Any] = {}

    def matcher(self, format: Mapping[str, Any]) -> Any:
        """A fresh matcher for one row."""
        key = json.dumps(format)
        known = self._compiled.get(key)
        if known is None:
            known = self._library.LLMatcher(self._tokenizer, _grammar(key), log_level=0)
            if known.is_error():
                raise InvalidArgumentError(_cannot(key, known.get_error()))
            if len(self._compiled) >= _MATCHERS:
                self._compiled.pop(next(iter(self._compiled)))
            self._compiled[key] = known
        return known.deep_copy()


def _kit(tokenizer: Any, vocabulary: int, ends: Collection[int]) -> _Kit:
    with _lock:
        kits = _kits.setdefault(tokenizer, {})
        key = (vocabulary, frozenset(ends))
        if key not in kits:
            kits[key] = _Kit(tokenizer, vocabulary, ends)
        return kits[key]


@lru_cache(maxsize=_MATCHERS)
def _grammar(text: str) -> str:
    """A `response_format`, as JSON, as a grammar of llguidance."""
    import llguidance

    format = json.loads(text)
    matcher = llguidance.LLMatcher
    if format["type"] == "regex":
        # \d means the ten digits here: there are hundreds of others, and a model that is free to take them will
        pattern = llguidance.regex_to_lark(format["pattern"], use_ascii="d")
        grammar = matcher.grammar_from_lark(f"start: /{pattern}/")
    elif format["type"] == "choices":
        grammar = llguidance.grammar_from("choice", json.dumps(format["choices"]))
    else:
        schema = format.get("schema", {"type": "object"})
        grammar = matcher.grammar_from_json_schema(json.dumps(_bounded(schema)), overrides=_SPACING)
    problem = matcher.validate_grammar(grammar)
    if problem:
        raise InvalidArgumentError(_cannot(text, problem))
    return str(grammar)


def _cannot(format: str, problem: str) -> str:
    return (
        f"Text cannot be decoded by {format:.200}: {problem.strip()}. Simplify the type, or set the model's "
        "output_dialect to None: it is then asked for in words, and the answers are checked."
    )


def _bounded(schema: Any) -> Any:
    """`schema` with bounds for integers that have none."""
    if isinstance(schema, list):
        return [_bounded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: part if name in ("enum", "const") else _bounded(part) for name, part in schema.items()}
    if schema.get("type") == "integer" and "enum" not in schema and "const" not in schema:
        if not any(name in schema for name in _LOWER):
            found["minimum"] = -SAFE_INTEGER
        if not any(name in schema for name in _UPPER):
            found["maximum"] = SAFE_INTEGER
    return found
