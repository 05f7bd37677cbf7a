"""Texts of any length: those that are too long are answered in windows, in the same batches as all others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .. import identity
from ..llms.local.batching import OutOfMemoryError, in_batches
from .answering import Run


class WindowedRun(Run):
    """One call of `run()` with window parameters. They count for texts that need more than one window alone, so what is
    remembered of other texts stays good."""

    def _parts(self, text: str, windowed: bool = False) -> dict[str, Any]:
        parts = super()._parts(text)
        if windowed:
            return parts
        hidden = self.model.window_parameters
        counted = {name: value for name, value in self.ask.parameters.items() if name not in hidden}
        return {**parts, "parameters": counted}

    def _remembered(self, texts: Sequence[str], keys: list[bytes]) -> dict[bytes, Any]:
        found = super()._remembered(texts, keys)
        others = {place: self._windowed_key(texts[place]) for place, key in enumerate(keys) if key not in found}
        found |= self._look_up(list(others.values()))
        for place, key in others.items():
            if key in found:
                keys[place] = key
        return found

    def _windowed_key(self, text: str) -> bytes:
        return identity.request_key(self._parts(text, windowed=True))

    def _ask(self, texts: Sequence[str], keys: list[bytes], places: list[int], first: int) -> dict[bytes, Any]:
        model, parameters = self.model, self.ask.parameters
        self._check(texts[places[0]], first + places[0])
        windows = {place: model._windows(texts[place], parameters) for place in places}
        units = [(place, number) for place in places for number in range(len(windows[place]))]
        answered: dict[int, dict[int, Any]] = {place: {} for place in places}
        results: dict[bytes, Any] = {}

        def answer(batch: Sequence[int]) -> list[Any]:
            started = time.time()
            asked = [units[unit] for unit in batch]
            found = model._answer_windows([windows[place][number] for place, number in asked], parameters)
            for (place, number), result in zip(asked, found, strict=True):
                answered[place][number] = result
                if len(answered[place]) == len(windows[place]):
                    self._finish(texts[place], windows[place], answered.pop(place), results, started)
            return found

        def tokens(unit: int) -> int:
            place, number = units[unit]
            return len(windows[place][number])

        outcomes = in_batches(list(range(len(units))), tokens, answer, self.size, sort=self.ask.sorted)
        for (place, number), outcome in zip(units, outcomes, strict=True):
            if isinstance(outcome, OutOfMemoryError):
                raise self._no_room(first + place, len(windows[place][number]), outcome)
        self._use_windowed_keys(texts, keys, {texts[place] for place in places if len(windows[place]) > 1})
        return results

    def _finish(
        self, text: str, windows: list[Any], answered: dict[int, Any], results: dict[bytes, Any], started: float
    ) -> None:
        """All windows of a text are answered."""
        several = len(windows) > 1
        of_windows = [answered[number] for number in range(len(windows))]
        result = self.model._combined(of_windows, windows, self.ask.parameters) if several else of_windows[0]
        parts = self._parts(text, windowed=several)
        key = identity.request_key(parts)
        results[key] = result
        self._record(key, parts, sum(map(len, windows)), result, started)

    def _use_windowed_keys(self, texts: Sequence[str], keys: list[bytes], long: set[str]) -> None:
        for place, text in enumerate(texts):
            if text in long:
                keys[place] = self._windowed_key(text)
