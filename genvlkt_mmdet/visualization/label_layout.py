"""Positions of labels on an image: close to their boxes, without overlap, and not on other boxes if possible."""

import numpy as np

_COVER_WEIGHT = 2.0
_DISTANCE_WEIGHT = 3.0
_CORNER_WEIGHT = 0.2
# Maximum share that labels may cover, of the image and of any box.
_MAX_LABEL_SHARE = 0.2
_MAX_HIDDEN_SHARE = 0.6


def place_labels(
    sizes: np.ndarray, anchors: np.ndarray, boxes: np.ndarray, canvas: tuple[int, int], gap: float
) -> np.ndarray | None:
    """Finds a position for each label that hides little of any box and is close to the label's anchor.

    Labels never overlap and never leave the canvas.

    Args:
        sizes (np.ndarray): (n, 2) width and height of each label, in pixels.
        anchors (np.ndarray): (n, 4) xyxy box that each label belongs to.
        boxes (np.ndarray): (m, 4) xyxy boxes that labels should not hide.
        canvas (tuple[int, int]): Height and width of the image.
        gap (float): Minimum distance between two labels, and between a label and the edge of the canvas.

    Returns:
        np.ndarray | None: (n, 2) top left corners. None if the labels do not fit or hide too much of the image.
    """
    height, width = canvas
    if len(sizes) == 0:
        return np.zeros((0, 2))
    if np.prod(sizes, axis=1).sum() > _MAX_LABEL_SHARE * height * width:
        return None
    step = max(2.0, gap)
    placed: list[tuple[float, float, float, float]] = []
    positions = []
    for (w, h), anchor in zip(sizes, anchors, strict=True):
        # The corners of the anchor are candidates too, so that labels can align with their box.
        xs = np.unique(np.concatenate([np.arange(gap, width - gap - w, step), [anchor[0], anchor[2] - w]]))
        ys = np.unique(np.concatenate([np.arange(gap, height - gap - h, step), [anchor[1] - h, anchor[3]]]))
        xs = xs[(xs >= gap) & (xs + w <= width - gap)]
        ys = ys[(ys >= gap) & (ys + h <= height - gap)]
        if xs.size == 0 or ys.size == 0:
            return None
        x, y = (a.ravel() for a in np.meshgrid(xs, ys))
        hidden = _hidden_shares(x, y, w, h, boxes)
        cost = (
            _COVER_WEIGHT * hidden.sum(axis=1)
            + _DISTANCE_WEIGHT * _box_distance(x, y, w, h, anchor) / min(canvas)
            + _CORNER_WEIGHT * np.hypot(x - anchor[0], y + h - anchor[1]) / max(canvas)
        )
        cost[hidden.max(axis=1, initial=0) > _MAX_HIDDEN_SHARE] = np.inf
        for left, top, right, bottom in placed:
            overlap = (x < right + gap) & (x + w > left - gap) & (y < bottom + gap) & (y + h > top - gap)
            cost[overlap] = np.inf
        best = int(np.argmin(cost))
        if not np.isfinite(cost[best]):
            return None
        positions.append((x[best], y[best]))
        placed.append((x[best], y[best], x[best] + w, y[best] + h))
    return np.asarray(positions)


def _hidden_shares(x: np.ndarray, y: np.ndarray, w: float, h: float, boxes: np.ndarray) -> np.ndarray:
    """Share of each of m boxes that a (w, h) rectangle at each of p positions hides, (p, m)."""
    x1, y1, x2, y2 = boxes.T
    inner_w = np.minimum((x + w)[:, None], x2) - np.maximum(x[:, None], x1)
    inner_h = np.minimum((y + h)[:, None], y2) - np.maximum(y[:, None], y1)
    areas = np.maximum((x2 - x1) * (y2 - y1), 1)
    return inner_w.clip(0) * inner_h.clip(0) / areas


def _box_distance(x: np.ndarray, y: np.ndarray, w: float, h: float, box: np.ndarray) -> np.ndarray:
    """Distance between a (w, h) rectangle at each position and a box; 0 where they touch or overlap."""
    dx = np.maximum(np.maximum(box[0] - (x + w), x - box[2]), 0)
    dy = np.maximum(np.maximum(box[1] - (y + h), y - box[3]), 0)
    return np.hypot(dx, dy)
