"""Figures from logits: accuracy, calibration, confusion. All in numpy."""

import numpy as np

BINS = 15


def softmax(logits: np.ndarray, temperature: float | np.ndarray = 1.0) -> np.ndarray:
    scaled = logits.astype(np.float64) / temperature
    scores = np.exp(scaled - scaled.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True)


def forced(scores: np.ndarray) -> np.ndarray:
    """The best label when `unknown`, the last column, is not a choice."""
    return scores[..., :-1].argmax(-1)


def temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """The temperature of the least negative log-likelihood."""
    choices = np.exp(np.linspace(np.log(0.2), np.log(5), 400))
    row = np.arange(len(label))
    loss = [-np.log(softmax(logits, t)[row, label]).mean() for t in choices]
    return float(choices[int(np.argmin(loss))])


def reliability(scores: np.ndarray, label: np.ndarray) -> list[dict[str, float]]:
    """Bins of the best score: how many windows, mean score, share that is right."""
    best, right = scores.max(1), scores.argmax(1) == label
    place = np.minimum((best * BINS).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        inside = place == number
        if inside.any():
            bins.append(
                {
                    "from": number / BINS,
                    "count": int(inside.sum()),
                    "score": float(best[inside].mean()),
                    "right": float(right[inside].mean()),
                }
            )
    return bins


def calibration_error(scores: np.ndarray, label: np.ndarray) -> float:
    """Expected calibration error over `BINS` equal bins of the best score."""
    bins = reliability(scores, label)
    return sum(b["count"] * abs(b["score"] - b["right"]) for b in bins) / len(label)


def confusion(predicted: np.ndarray, label: np.ndarray, count: int) -> np.ndarray:
    table = np.zeros((count, count), int)
    np.add.at(table, (label, predicted), 1)
    return table
