"""The losses that learn from a chosen and a rejected answer, on log-probabilities of shape (rows,)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LossOf = Callable[[Any, Any, float], Any]

#: those that compare the mean log-probability of a token; the others compare that of the whole answer
PER_TOKEN = frozenset({"ipo"})


def loss_of(loss_type: str) -> LossOf:
    """The function from (log-ratio of chosen, log-ratio of rejected, beta) to the loss of each row.

    A log-ratio is the log-probability of the answer under the trained model minus that under the reference model.
    """
    return LOSSES[loss_type]


def _sigmoid(chosen: Any, rejected: Any, beta: float) -> Any:
    """Rafailov et al. 2023 (arXiv 2305.18290), equation 7."""
    from torch.nn.functional import logsigmoid

    return -logsigmoid(beta * (chosen - rejected))


def _hinge(chosen: Any, rejected: Any, beta: float) -> Any:
    """Zhao et al. 2023, SLiC-HF (arXiv 2305.10425), on log-ratios as in Liu et al. 2023 (arXiv 2309.06657)."""
    return (1 - beta * (chosen - rejected)).clamp(min=0)


def _ipo(chosen: Any, rejected: Any, beta: float) -> Any:
    """Azar et al. 2023 (arXiv 2310.12036), equation 17, with beta in the place of tau."""
    return (chosen - rejected - 1 / (2 * beta)) ** 2


def _kto_pair(chosen: Any, rejected: Any, beta: float) -> Any:
    """Ethayarajh et al. 2023, "Human-Centered Loss Functions": each side against the other's mean log-ratio."""
    from torch import sigmoid

    baseline_chosen, baseline_rejected = chosen.mean().clamp(min=0), rejected.mean().clamp(min=0)
    gain = 1 - sigmoid(beta * (chosen - baseline_rejected))
    loss = 1 - sigmoid(beta * (baseline_chosen - rejected))
    return (gain + loss) / 2


LOSSES: dict[str, LossOf] = {"sigmoid": _sigmoid, "hinge": _hinge, "ipo": _ipo, "kto_pair": _kto_pair}
