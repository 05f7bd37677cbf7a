"""Tokens of a text, when the model's tokenizer is not at hand."""

from __future__ import annotations

CHAT_OVERHEAD = 12  # tokens that chat formats put around one system and one user message, rounded up


def estimate(text: str) -> int:
    """An estimate that is rarely too low: English at 3 bytes a token, other scripts at 2, never below the word count.

    Byte-pair vocabularies of today take 4 to 5 bytes of English and 2 to 4 bytes of other scripts into one token, so
    this is about a third too high for English. It is used to keep prompts inside the context, never for cost.
    """
    if not text:
        return 0
    size = len(text.encode("utf-8", "surrogatepass"))
    wide = size - len(text)  # bytes beyond the first of each character
    per_token = 3 if wide * 10 < size else 2
    return max(-(-size // per_token), text.count(" ") + 1)
