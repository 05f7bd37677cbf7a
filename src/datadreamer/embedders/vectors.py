"""Vectors as the ledger keeps them, and back: many at a time, no Python object per number.

A JSON string of base64 (float32, little-endian) with a space after every 16 characters: what is stored is searched for
secrets, and no key of any known shape is as short as that (docs/design/retrieval.md).
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence

import numpy as np

_WORD = 16  # characters of base64: 12 bytes, 3 floats


def pack(matrix: np.ndarray) -> list[bytes]:
    """One JSON string per row of a matrix of shape (texts, dims)."""
    rows, dims = matrix.shape
    words = -(-dims // 3)
    padded = np.zeros((rows, 3 * words), "<f4")
    padded[:, :dims] = matrix
    letters = np.frombuffer(binascii.b2a_base64(padded.tobytes(), newline=False), np.uint8)
    spaced = np.full((rows, words, _WORD + 1), ord(" "), np.uint8)
    spaced[:, :, :_WORD] = letters.reshape(rows, words, _WORD)
    return [b'"' + row.tobytes()[:-1] + b'"' for row in spaced]


def packed_size(dims: int) -> int:
    """Bytes that `pack` gives for a vector."""
    return -(-dims // 3) * (_WORD + 1) + 1


def unpack(packed: Sequence[bytes], dims: int) -> np.ndarray:
    """The matrix, of shape (texts, dims); every string must have the `packed_size` of `dims`.

    Raises:
        ValueError: one of the strings is not what `pack` gives.
    """
    words = -(-dims // 3)
    raw = binascii.a2b_base64(b"".join(packed))  # skips quotes and spaces
    if len(raw) != len(packed) * words * 12:
        raise ValueError("a remembered vector is damaged")
    return np.frombuffer(raw, "<f4").reshape(len(packed), 3 * words)[:, :dims]


def describe(dims: int) -> str:
    """What a record has as its text: how a vector is read back."""
    return f"{dims} float32"


def dims_of(text: str) -> int:
    """The length of the vector that a record describes; 0 where it describes none."""
    number, _, kind = text.partition(" ")
    return int(number) if kind == "float32" and number.isdigit() else 0
