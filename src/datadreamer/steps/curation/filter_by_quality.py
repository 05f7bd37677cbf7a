"""`FilterByQuality`: keep rows whose texts look like well-formed prose."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidArgumentError, nearest
from ..fields import setting
from .quality_rules import CITATIONS, PRESETS, RULES, Text
from .text_filter import TextFilter


class FilterByQuality(TextFilter):
    """Keep the rows whose texts pass rules of thumb for well-formed prose, with all columns of the texts' step.

    Presets are `gopher` (length, symbols, bullets, stop words), `gopher_repetition` (repeated lines, paragraphs and
    n-grams) and `c4` (sentences, placeholder text, curly brackets). Their limits are meant for web pages in English;
    `limits` changes them. Reasons are the names of rules. Sources: arXiv 2112.11446, section A1.1; Raffel et al. 2020,
    section 2.2. No text is changed.

    Args:
        texts: what is looked at.
        rules: presets, and names of single rules.
        limits: rule to its limit, for example `{"too_few_words": 5}`. None switches a rule off.
        mark: keep every row, and add a column `reasons`.
    """

    rules: list[str] = setting(default_factory=lambda: ["gopher", "gopher_repetition"])
    limits: dict[str, Any] | None = None

    def setup(self) -> None:
        super().setup()
        chosen = self._given.get("rules") or ["gopher"]
        families = {(RULES[name].preset if name in RULES else str(name)).partition("_")[0] for name in chosen}
        for family, citation in CITATIONS.items():
            self.register_data_card("Citation Information", citation if family in families else None)

    def check(self) -> None:
        who, known = f"Step '{self.name}'", [*PRESETS, *RULES]
        for name in self.rules:
            if name not in known:
                raise InvalidArgumentError(f"{who}: there is no rule '{name}'. {nearest(name, known)}")
        chosen = [name for name, rule in RULES.items() if name in self.rules or rule.preset in self.rules]
        limits = self.limits or {}
        for name, limit in limits.items():
            if name not in RULES:
                raise InvalidArgumentError(f"{who}: limits names '{name}'. {nearest(name, RULES)}")
            if name not in chosen:
                raise InvalidArgumentError(f"{who}: limits names '{name}', which is not among the rules: add it.")
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
                raise InvalidArgumentError(f"{who}: the limit of '{name}' is a number or None, not {limit!r}.")
        self._limits = {name: limits.get(name, RULES[name].limit) for name in chosen}
        super().check()

    def reasons(self, text: str) -> list[str]:
        looked_at, found = Text(text), []
        for name, limit in self._limits.items():
            if limit is None:
                continue
            rule = RULES[name]
            value = rule.measure(looked_at)
            if value < limit if rule.least else value > limit:
                found.append(name)
        return found
