"""Accuracy and F1 of a classifier, from its logits."""

from __future__ import annotations

from typing import Any

import numpy as np


def single_label(logits: Any, labels: Any) -> dict[str, float]:
    """Metrics where each row has one label.

    Args:
        logits: float array of shape (rows, labels).
        labels: int array of shape (rows,).

    Returns:
        `accuracy`, and `f1`: the mean over labels of their F1 scores (macro), over the labels that occur in `labels`
        or are predicted.
    """
    predicted = np.asarray(logits).argmax(axis=-1)
    labels = np.asarray(labels).reshape(-1)
    names = np.arange(np.asarray(logits).shape[-1])
    f1 = _macro_f1(predicted[:, None] == names, labels[:, None] == names)
    return {"accuracy": float((predicted == labels).mean()), "f1": f1}


def multi_label(logits: Any, labels: Any, threshold: float = 0.5) -> dict[str, float]:
    """Metrics where each row has any number of labels; a label is predicted when its probability is above `threshold`.

    Args:
        logits: float array of shape (rows, labels); the sigmoid is taken here.
        labels: 0/1 array of the same shape.

    Returns:
        `accuracy` (rows whose set of labels is exactly right), `f1` (macro) and `f1_micro` (over all decisions).
    """
    logits = np.asarray(logits, dtype=np.float64)
    predicted = 1.0 / (1.0 + np.exp(-np.clip(logits, -500, 500))) > threshold
    true = np.asarray(labels) > 0.5
    return {
        "accuracy": float((predicted == true).all(axis=-1).mean()),
        "f1": _macro_f1(predicted, true),
        "f1_micro": _f1((predicted & true).sum(), predicted.sum(), true.sum()),
    }


def _macro_f1(predicted: Any, true: Any) -> float:
    scores = [
        _f1((predicted[:, i] & true[:, i]).sum(), predicted[:, i].sum(), true[:, i].sum())
        for i in range(true.shape[1])
        if predicted[:, i].any() or true[:, i].any()
    ]
    return float(np.mean(scores)) if scores else 0.0


def _f1(both: Any, predicted: Any, true: Any) -> float:
    return float(2 * both / (predicted + true)) if predicted + true else 0.0
