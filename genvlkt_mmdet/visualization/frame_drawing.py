"""Draws pairs on video frames, many frames a second."""

import textwrap
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .drawn_pairs import DrawnPair
from .palette import INK, PALETTE, letters_on

# Frames with a smaller short side are enlarged, until the long side has the second size.
_MIN_SIDE, _MAX_ENLARGED_SIDE = 480, 1600
_LABEL_WIDTH = 0.4  # maximum width of a label, as a share of the frame's


def draw_frame(pixels: np.ndarray, pairs: Sequence[DrawnPair]) -> np.ndarray:
    """Draws pairs on a copy of a video frame, in the style of :class:`HOIVisualizer`.

    A label stands at the box of its person. Where there is no room, it moves to the nearest free place. A label for which there
    is none in the whole frame is left out. Frames with a short side under 480 pixels are enlarged.

    Args:
        pixels (np.ndarray): (H, W, 3) uint8 BGR.
        pairs (Sequence[DrawnPair]): The pairs, the most important first. Their colours are used as they are.

    Returns:
        np.ndarray: (H', W', 3) uint8 BGR.
    """
    scale = max(1.0, min(_MIN_SIDE / min(pixels.shape[:2]), _MAX_ENLARGED_SIDE / max(pixels.shape[:2])))
    frame = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR) if scale > 1 else pixels.copy()
    height, width = frame.shape[:2]
    short = min(height, width)
    line, font = max(2, round(0.0042 * short)), max(14, round(0.025 * short))
    limits = np.array([width - 1, height - 1, width - 1, height - 1])

    def place(box: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(np.asarray(box, dtype=float) * scale), 0, limits).astype(int)

    for pair in pairs:
        human, obj = place(pair.human_box), None if pair.object_box is None else place(pair.object_box)
        color, light = (tone[::-1] for tone in PALETTE[pair.color % len(PALETTE)])
        if obj is not None:
            ends = [tuple(int(v) for v in (box[:2] + box[2:]) // 2) for box in (human, obj)]
            for tone, thick in ((INK, line + 2), (color, line)):
                cv2.line(frame, *ends, tone, thick, cv2.LINE_AA)
            for end in ends:
                cv2.circle(frame, end, 2 * line, INK, -1, cv2.LINE_AA)
                cv2.circle(frame, end, 2 * line - 1, color, -1, cv2.LINE_AA)
            cv2.rectangle(frame, obj[:2].tolist(), obj[2:].tolist(), INK, line + 2)
            for start, stop in _dashes(obj, 4 * line):
                cv2.line(frame, start, stop, light, line)
        cv2.rectangle(frame, human[:2].tolist(), human[2:].tolist(), INK, line + 2)
        cv2.rectangle(frame, human[:2].tolist(), human[2:].tolist(), color, line)
    taken: list[tuple[int, int, int, int]] = []
    for pair in pairs:
        label = _label(tuple(pair.lines), font, max(8, int(_LABEL_WIDTH * width)), pair.color % len(PALETTE))
        label = label[:height, :width]
        corner = _free_corner(label.shape[:2], place(pair.human_box), (height, width), taken)
        if corner is not None:
            x, y = corner
            h, w = label.shape[:2]
            frame[y : y + h, x : x + w] = label
            taken.append((x, y, x + w, y + h))
    return frame


def _dashes(box: np.ndarray, length: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Ends of the dashes along the four sides of a box."""
    x1, y1, x2, y2 = box.tolist()
    for x in range(x1, x2 + 1, 2 * length):
        for y in (y1, y2):
            yield (x, y), (min(x + length, x2), y)
    for y in range(y1, y2 + 1, 2 * length):
        for x in (x1, x2):
            yield (x, y), (x, min(y + length, y2))


@lru_cache(maxsize=512)
def _label(lines: tuple[str, ...], font: int, width: int, color: int) -> np.ndarray:
    """The image of a label, (h, w, 3) uint8 BGR. A label stays the same from frame to frame, so that it is drawn once."""
    letters, pad = _font(font), max(2, font // 3)
    wrapped = []
    for text in lines:
        fit = max(8, int(len(text) * (width - 2 * pad) / max(letters.getlength(text), 1)))
        wrapped += textwrap.wrap(text, fit, subsequent_indent='  ') or ['']
    background = PALETTE[color][0]
    step = round(1.3 * font)
    size = (round(max(letters.getlength(text) for text in wrapped)) + 2 * pad, step * len(wrapped) + pad)
    image = Image.new('RGB', size, background)
    canvas = ImageDraw.Draw(image)
    canvas.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=INK)
    for i, text in enumerate(wrapped):
        canvas.text((pad, pad / 2 + (i + 0.5) * step), text, letters_on(background), letters, anchor='lm')
    return np.ascontiguousarray(np.asarray(image)[..., ::-1])


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font: it is there wherever the package is."""
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')), size)


def _free_corner(
    size: tuple[int, int],
    box: np.ndarray,
    frame: tuple[int, int],
    taken: Sequence[tuple[int, int, int, int]],
) -> tuple[int, int] | None:
    """Top left corner (x, y) of a label near a box that overlaps no other label. None: there is no room in the frame."""
    h, w = size
    x1, y1, x2, y2 = box.tolist()
    limit = np.array([frame[1] - w, frame[0] - h])
    others = np.array(taken, dtype=int).reshape(-1, 4)

    def first_free(corners: np.ndarray) -> tuple[int, int] | None:
        x, y = corners.T[:, :, None]
        left, top, right, bottom = others.T
        hit = ((x < right) & (x + w > left) & (y < bottom) & (y + h > top)).any(axis=1)
        return None if hit.all() else tuple(corners[hit.argmin()].tolist())

    # Above, below, right and left of the box, then inside it at the top.
    near = np.array([(x1, y1 - h), (x2 - w, y1 - h), (x1, y2), (x2, y1), (x1 - w, y1), (x1, y1)])
    corner = first_free(near.clip(0, limit))
    if corner is not None:
        return corner
    # The nearest free place touches other labels or the edges, or is in line with the box.
    xs = np.unique(np.concatenate([[x1, 0, limit[0]], others[:, 2], others[:, 0] - w]).clip(0, limit[0]))
    ys = np.unique(np.concatenate([[y1, 0, limit[1]], others[:, 3], others[:, 1] - h]).clip(0, limit[1]))
    corners = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    return first_free(corners[np.hypot(*(corners - [x1, y1]).T).argsort(kind='stable')])
