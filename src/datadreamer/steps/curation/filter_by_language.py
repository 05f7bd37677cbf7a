"""`FilterByLanguage`: keep rows whose texts are in given languages."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ..._lazy import require
from ...errors import InvalidArgumentError, nearest
from .text_filter import TextFilter

CITATION = """@inproceedings{lui2012langid,
  title={langid.py: An Off-the-shelf Language Identification Tool},
  author={Lui, Marco and Baldwin, Timothy},
  booktitle={Proceedings of the ACL 2012 System Demonstrations},
  pages={25--30},
  year={2012}
}"""


class FilterByLanguage(TextFilter):
    """Keep the rows whose texts are in one of some languages, with all columns of the texts' step.

    Languages are told by py3langid (naive Bayes over byte n-grams), which needs no network and gives the same answer
    everywhere. A text of a few words is easily mistaken. Reasons are `language_…` with the code of what was found, and
    `uncertain_language`. Source: Lui and Baldwin 2012.

    Args:
        texts: what is looked at.
        languages: ISO 639-1 codes, for example `["en", "de"]`.
        min_probability: least probability of the language that was found, 0 to 1.
        mark: keep every row, and add a column `reasons`.
    """

    languages: list[str]
    min_probability: float = 0.0

    def setup(self) -> None:
        super().setup()
        self.register_data_card("Citation Information", CITATION)

    def check(self) -> None:
        who = f"Step '{self.name}'"
        if not self.languages:
            raise InvalidArgumentError(f"{who}: languages is empty: no text could pass.")
        if not 0 <= self.min_probability <= 1:
            raise InvalidArgumentError(f"{who}: min_probability is between 0 and 1, not {self.min_probability}.")
        super().check()

    @cached_property
    def _identifier(self) -> Any:
        langid = require("py3langid.langid", extra="languages", needed_for="FilterByLanguage")
        identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
        known = {str(label) for label in identifier.labels}
        for code in self.languages:
            if code not in known:
                raise InvalidArgumentError(
                    f"Step '{self.name}': py3langid does not know the language '{code}'. {nearest(code, known)}"
                )
        return identifier

    def run(self) -> Any:
        _ = self._identifier  # a code that means nothing is refused before any row is read
        return super().run()

    def reasons(self, text: str) -> list[str]:
        language, probability = self._identifier.classify(text)
        if language not in self.languages:
            return [f"language_{language}"]
        return ["uncertain_language"] if probability < self.min_probability else []
