"""Reference decoder: from the package's dense maps to detections, in numpy."""

import numpy as np

STRIDE = 4


def decode(
    heatmap: np.ndarray, sizes: np.ndarray, low: float, limit: int = 100
) -> np.ndarray:
    """Return rows of x1, y1, x2, y2 (input pixels), score and class, best first.

    A cell is a detection of a class if its logit is above that of `low` and no
    logit of the same class in the 3x3 cells around it is greater.
    """
    logits, sizes = heatmap[0], sizes[0]
    _, height, width = logits.shape
    threshold = np.float32(np.log(low / (1 - low)))
    cells = np.unravel_index(np.flatnonzero(logits > threshold), logits.shape)
    classes, rows, columns = cells
    found = logits[cells]
    peak = np.ones(found.shape, bool)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            # At the border the clipped neighbour is a cell of the window as well.
            row = np.clip(rows + down, 0, height - 1)
            column = np.clip(columns + right, 0, width - 1)
            peak &= found >= logits[classes, row, column]
    order = np.argsort(-found[peak], kind="stable")[:limit]
    classes, rows, columns, found = (
        a[peak][order] for a in (classes, rows, columns, found)
    )
    left, top, right, bottom = sizes[:, rows, columns]
    x, y = STRIDE * columns, STRIDE * rows
    score = 1 / (1 + np.exp(-found))
    return np.stack([x - left, y - top, x + right, y + bottom, score, classes], axis=1)
