"""Words of a text, for search by words: in any script, without a dictionary."""

from __future__ import annotations

import re
import unicodedata

# Scripts that are written without spaces: every character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+(?:['\u2019][^\\W_{_UNSPACED}]+)*")


def words(text: str) -> list[str]:
    """The words in order, compatibility forms (NFKC) and case folded."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
