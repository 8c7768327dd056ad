"""Visualizer for human-object interactions."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.font_manager import FontProperties
from mmdet.registry import VISUALIZERS
from mmdet.visualization import DetLocalVisualizer
from mmengine.dist import master_only

from ..datasets.image_file import write_image
from ..structures import HOIDataSample
from ..vocabulary import HOIVocabulary, load_vocabulary
from .drawn_pairs import DrawnPair, assign_colors, pairs_from_ground_truth, pairs_from_predictions
from .label_layout import place_labels
from .palette import INK, PALETTE, PAPER, letters_on

# Scores are in [0, 2]. If the object is certain, every interaction with it has a score of about 1 or more.
DEFAULT_SCORE_THR = 1.4

_MAX_ENLARGED_SIDE = 1600
_MAX_SIDE = 3000


@dataclass
class _Style:
    """Sizes in pixels: of an image and of its part of the canvas, (height, width), and what is relative to the latter.

    The canvas is larger than the image if there is white space beside it.
    """

    image: tuple[int, int]
    canvas: tuple[int, int]

    def __post_init__(self) -> None:
        short = min(self.canvas)
        self.font, self.line = max(14.0, 0.025 * short), max(2.0, 0.0042 * short)
        self.row, self.pad = 1.45 * self.font, 0.35 * self.font


@dataclass
class _Column:
    """Pairs and labels of one image of the canvas, in its pixels. ``positions`` is None for labels below the image."""

    pairs: list[DrawnPair]
    labels: list[list[str]]
    sizes: np.ndarray
    positions: np.ndarray | None


@VISUALIZERS.register_module()
class HOIVisualizer(DetLocalVisualizer):
    """Visualizer for human-object interaction detection.

    Every human-object pair has its own colour. The person has a solid box, the object a dashed, lighter box. A line joins
    their centres, and a label lists the pair's interactions. Labels are in free parts of the image and never overlap. If
    they do not fit, the boxes are numbered and the labels are below the image. Small images are enlarged first, and images
    with a side above 3,000 pixels are made smaller. A narrow image gets white space on its right. Phrases come from
    ``dataset_meta['vocabulary']``.

    Args:
        name (str): Name of the instance.
        image (np.ndarray, optional): (H, W, 3) uint8 RGB image to draw on.
        vis_backends (list[dict], optional): Configs of the backends for :meth:`add_datasample`.
        save_dir (str, optional): Folder for the backends.
        alpha (float): Opacity of the dark outlines of boxes, 0 to 1.
        max_hois (int): Maximum number of predicted triplets to draw, highest score first.
        min_side (int): Minimum short side of a drawing in pixels. Smaller images are enlarged.

    Examples:
        >>> import numpy as np
        >>> import torch
        >>> from mmengine.structures import InstanceData
        >>> from genvlkt_mmdet.vocabulary import load_vocabulary
        >>> from genvlkt_mmdet.structures import HOIDataSample
        >>> from genvlkt_mmdet.visualization import HOIVisualizer
        >>> vocabulary = load_vocabulary('hico')
        >>> visualizer = HOIVisualizer()
        >>> visualizer.dataset_meta = dict(vocabulary=vocabulary)
        >>> sample = HOIDataSample()
        >>> sample.pred_hois = InstanceData(
        ...     human_boxes=torch.tensor([[40., 20., 70., 90.]]),
        ...     object_boxes=torch.tensor([[20., 50., 100., 120.]]),
        ...     hoi_labels=torch.tensor([vocabulary.hoi_index('ride', 'horse')]),
        ...     scores=torch.tensor([1.2]))
        >>> visualizer.add_datasample('photo', np.zeros((128, 128, 3), np.uint8), sample, draw_gt=False)
        >>> visualizer.get_image().shape
        (480, 480, 3)
    """

    def __init__(
        self,
        name: str = 'visualizer',
        image: np.ndarray | None = None,
        vis_backends: list[dict] | None = None,
        save_dir: str | None = None,
        alpha: float = 0.8,
        max_hois: int = 20,
        min_side: int = 480,
    ) -> None:
        super().__init__(name=name, image=image, vis_backends=vis_backends, save_dir=save_dir, alpha=alpha)
        self.max_hois = max_hois
        self.min_side = min_side

    @master_only
    def set_image(self, image: np.ndarray) -> None:
        """Sets the image to draw on, (H, W, 3) uint8 RGB."""
        super().set_image(image)
        # mmengine's figure is a hundredth of a pixel larger than the image, so that Matplotlib before 3.11 moves half of the
        # image by a pixel. A dpi that is a power of two converts pixels to inches and back without rounding.
        self.dpi = 128
        self.fig_save.set_dpi(self.dpi)
        self.fig_save.set_size_inches(self.width / self.dpi, self.height / self.dpi)

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: HOIDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        pred_score_thr: float = DEFAULT_SCORE_THR,
        step: int = 0,
    ) -> None:
        """Draws a data sample. If it has ground truth and prediction, the ground truth is on the left.

        :meth:`get_image` returns the result. It is written to ``out_file`` or, if None, to the visualizer's backends.

        Args:
            name (str): Identifier of the image.
            image (np.ndarray): (H, W, 3) uint8 RGB, the original image. The network input for ``gt_pairs`` of a training
                pipeline.
            data_sample (HOIDataSample, optional): Sample with ``pred_hois``, and for the ground truth ``eval_gt``
                (metainfo) or ``gt_pairs``. A missing part is not drawn.
            draw_gt (bool): Whether to draw the ground truth.
            draw_pred (bool): Whether to draw the prediction.
            show (bool): Whether to open a window.
            wait_time (float): Seconds until the window closes. 0 waits for a key.
            out_file (str, optional): Image file to write.
            pred_score_thr (float): Score threshold, 0 to 2. Triplets with a higher score are drawn.
            step (int): Step for the backends.

        Raises:
            KeyError: If there are pairs to draw and ``dataset_meta`` has no vocabulary.
        """
        image = image.clip(0, 255).astype(np.uint8)
        sides: dict[str, list[DrawnPair]] = {}
        if data_sample is not None:
            sample = data_sample.cpu()
            if draw_gt:
                zero_shot = (self.dataset_meta or {}).get('zero_shot')
                gt_pairs = pairs_from_ground_truth(sample, self._vocabulary(), zero_shot)
                if gt_pairs is not None:
                    sides['ground truth'] = gt_pairs
            if draw_pred and 'pred_hois' in sample:
                hois = sample.pred_hois[sample.pred_hois.scores > pred_score_thr]
                hois = hois[hois.scores.argsort(descending=True, stable=True)[: self.max_hois]]
                sides['prediction'] = pairs_from_predictions(hois, self._vocabulary())
        assign_colors(sides.get('prediction', []), sides.get('ground truth', []))
        drawn = self._draw_sides(image, sides)
        self.set_image(drawn)

        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_image(out_file, drawn[..., ::-1])
        else:
            self.add_image(name, drawn, step)

    @master_only
    def draw_pairs(self, image: np.ndarray, pairs: list[DrawnPair]) -> np.ndarray:
        """Draws pairs on a copy of an image. Their colours follow their order.

        Args:
            image (np.ndarray): (H, W, 3) uint8 RGB.
            pairs (list[DrawnPair]): Pairs in pixels of the image, highest score first.

        Returns:
            np.ndarray: (H', W', 3) uint8 RGB.
        """
        assign_colors(pairs, [])
        return self._draw_sides(image, dict(prediction=pairs))

    @master_only
    def draw_attention(
        self, image: np.ndarray, pairs: list[DrawnPair], instance: np.ndarray, interaction: np.ndarray
    ) -> np.ndarray:
        """Draws where the two decoders look for a pair: the instance decoder on the left, the interaction decoder on the right.

        The image is grey. The attention goes from dark violet over orange to light yellow, where it is highest in its map.

        Args:
            image (np.ndarray): (H, W, 3) uint8 RGB.
            pairs (list[DrawnPair]): The pair, in pixels of the image.
            instance (np.ndarray): (h, w) attention in the instance decoder, stretched over the image.
            interaction (np.ndarray): (h, w) the same in the interaction decoder.

        Returns:
            np.ndarray: (H', W', 3) uint8 RGB. The image is scaled as in :meth:`add_datasample`.
        """
        assign_colors(pairs, [])
        heat = {'instance decoder': instance, 'interaction decoder': interaction}
        return self._draw_sides(image, dict.fromkeys(heat, pairs), heat)

    def scale(self, shape: tuple[int, int]) -> float:
        """How much an image of this height and width is enlarged on a drawing. Its top left corner is that of the drawing."""
        scale = max(1.0, min(self.min_side / min(shape), _MAX_ENLARGED_SIDE / max(shape)))
        return min(scale, _MAX_SIDE / max(shape))

    def _vocabulary(self) -> HOIVocabulary:
        source = (self.dataset_meta or {}).get('vocabulary')
        if source is None:
            raise KeyError(
                "HOIVisualizer needs dataset_meta['vocabulary'] for its phrases; set visualizer.dataset_meta to the "
                "dataset's metainfo."
            )
        return load_vocabulary(source)

    def _draw_sides(
        self, image: np.ndarray, sides: dict[str, list[DrawnPair]], heat: Mapping[str, np.ndarray] = {}
    ) -> np.ndarray:
        """Draws copies of the image with titles and pairs, and heat if the title has some, next to each other on one canvas."""
        scale = self.scale(image.shape[:2])
        if scale != 1:
            size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
            image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
        height, width = image.shape[:2]
        if width < self.min_side / 2:  # White space for the labels, whose words would be broken.
            width = self.min_side
        style = _Style(image.shape[:2], (height, width))
        columns = [self._layout(pairs, scale, style) for pairs in sides.values() or [[]]]
        below = 0
        if any(column.positions is None for column in columns):  # Both sides have the same layout.
            columns = [replace(column, positions=None) for column in columns]
            below = max(_panel(column.sizes, style)[1] for column in columns)
        top = round(1.9 * style.font) if len(columns) > 1 else 0
        margin = round(0.6 * style.font)
        size = (top + height + below, len(columns) * (width + margin) - margin, 3)
        canvas = np.full(size, PAPER, dtype=np.uint8)
        offsets = [np.array([i * (width + margin), top]) for i in range(len(columns))]
        for (left, _), title in zip(offsets, sides or ['']):
            copy = _heated(image, heat[title]) if title in heat else image
            canvas[top : top + height, left : left + copy.shape[1]] = copy
        self.set_image(canvas)
        for column, offset, title in zip(columns, offsets, sides or ['']):
            if top:
                self._text(title, offset[0] + width / 2, top / 2, style.font * 1.1, INK, align='center')
            self._draw_boxes(column.pairs, offset, style)
            self._draw_labels(column, offset, style)
        return self.get_image()

    def _layout(self, pairs: list[DrawnPair], scale: float, style: _Style) -> _Column:
        """Scales the boxes, wraps and measures the labels, and finds their positions on the image."""
        pairs = [
            replace(p, human_box=p.human_box * scale, object_box=None if p.object_box is None else p.object_box * scale)
            for p in pairs
        ]
        labels, sizes = [], []
        # Below the image, a label has a number and padding: leave room for both.
        room = style.canvas[1] - 4 * style.row
        for pair in pairs:
            lines = []
            for text in pair.lines:
                letters = max(8, int(len(text) * room / max(self._text_width(text, style.font), 1)))
                lines.extend(textwrap.wrap(text, letters, subsequent_indent='  '))
            labels.append(lines)
            widest = max(self._text_width(line, style.font) for line in lines)
            sizes.append((widest + 2 * style.pad, len(lines) * style.row))
        sizes = np.asarray(sizes, dtype=float).reshape(-1, 2)
        anchors = np.asarray([p.human_box for p in pairs], dtype=float).reshape(-1, 4)
        boxes = np.asarray([b for p in pairs for b in (p.human_box, p.object_box) if b is not None], dtype=float)
        positions = place_labels(sizes, anchors, boxes.reshape(-1, 4), style.canvas, gap=2 * style.line)
        return _Column(pairs, labels, sizes, positions)

    def _draw_boxes(self, pairs: list[DrawnPair], offset: np.ndarray, style: _Style) -> None:
        offset = np.tile(offset, 2)
        for i, pair in enumerate(pairs):
            human_color, object_color = PALETTE[pair.color % len(PALETTE)]
            # A person in several pairs gets nested boxes, so that the colour of every pair is visible.
            nested = sum(bool(np.abs(pair.human_box - p.human_box).max() < 2 * style.line) for p in pairs[:i])
            ends = [_inside(pair.human_box, style.image, (0.5 + 2 * nested) * style.line) + offset]
            if pair.object_box is not None:
                ends.append(_inside(pair.object_box, style.image, style.line / 2) + offset)
                centres = np.array([(box[:2] + box[2:]) / 2 for box in ends])
                for color, width in ((INK, 1.9), (human_color, 1.0)):
                    self.draw_lines(centres[:, 0], centres[:, 1], color, line_widths=self._points(width * style.line))
                radii, edge = np.full(2, 1.6 * style.line), self._points(0.5 * style.line)
                self.draw_circles(centres, radii, INK, line_widths=edge, face_colors=human_color, alpha=1.0)
            for box, color, dashes in zip(ends, (human_color, object_color), ('-', '--'), strict=False):
                # The dark outline makes a box visible on any background.
                self.draw_bboxes(box, INK, line_widths=self._points(1.9 * style.line), alpha=0.6 * self.alpha)
                self.draw_bboxes(box, color, dashes, line_widths=self._points(style.line), alpha=1.0)

    def _draw_labels(self, column: _Column, offset: np.ndarray, style: _Style) -> None:
        """Draws the labels at their positions, or numbers at the boxes and the numbered labels below the image."""
        badge = np.array([style.row, style.row])
        panel = _panel(column.sizes, style)[0] + offset + [0, style.canvas[0]]
        badges = self._badge_positions(column.pairs, badge, style) + offset if column.positions is None else None
        for i, (pair, lines) in enumerate(zip(column.pairs, column.labels, strict=True)):
            corner = panel[i] + [style.row, 0] if badges is not None else column.positions[i] + offset
            if badges is not None:
                for place in (badges[i], panel[i]):
                    self._label([str(i + 1)], place, badge, pair, style, align='center')
            self._label(lines, corner, column.sizes[i], pair, style)

    @staticmethod
    def _badge_positions(pairs: list[DrawnPair], badge: np.ndarray, style: _Style) -> np.ndarray:
        """Corners of the numbers at the persons, which overlap only if there are too many."""
        boxes = np.array([_inside(pair.human_box, style.image, 0) for pair in pairs])
        found = place_labels(np.tile(badge, (len(pairs), 1)), boxes, boxes[:0], style.canvas, gap=0.5 * style.line)
        return np.minimum(boxes[:, :2], np.array(style.canvas[::-1]) - badge) if found is None else found

    def _label(
        self,
        lines: list[str],
        corner: np.ndarray,
        size: np.ndarray,
        pair: DrawnPair,
        style: _Style,
        align: str = 'left',
    ) -> None:
        color = PALETTE[pair.color % len(PALETTE)][0]
        box = np.concatenate([corner, corner + size])
        self.draw_bboxes(box, INK, line_widths=self._points(1.0), face_colors=color, alpha=0.92)
        ink = letters_on(color)
        x = corner[0] + (style.pad if align == 'left' else size[0] / 2)
        for i, line in enumerate(lines):
            self._text(line, x, corner[1] + (i + 0.5) * style.row, style.font, ink, align)

    def _text(self, text: str, x: float, y: float, font: float, color: tuple[int, int, int], align: str) -> None:
        self.draw_texts(
            text.replace('$', r'\$'),  # matplotlib treats $...$ as a formula
            np.array([x, y]),
            font_sizes=self._points(font),
            colors=color,
            vertical_alignments='center_baseline',
            horizontal_alignments=align,
        )

    def _text_width(self, text: str, font: float) -> float:
        properties = FontProperties(family='sans-serif', size=self._points(font))
        renderer = self.fig_save_canvas.get_renderer()
        return renderer.get_text_width_height_descent(text.replace('$', r'\$'), properties, ismath=False)[0]

    def _points(self, pixels: float) -> float:
        """Converts pixels of the canvas to matplotlib's points."""
        return pixels * 72 / self.dpi


def _heated(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A grey copy of an image (H, W, 3) uint8 RGB with a heat map (h, w) over it."""
    heat = cv2.resize(heat.astype(np.float32), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    heat = heat / max(float(heat.max()), 1e-12)
    # The grey is weak, so that the lightness of a colour is that of the heat.
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    colors = colormaps['inferno'](heat, bytes=True)[..., :3]
    return (0.35 * grey + 0.65 * colors).round().astype(np.uint8)


def _panel(sizes: np.ndarray, style: _Style) -> tuple[np.ndarray, int]:
    """Corners of the labels below the image, in as many columns as fit, and the height of this part of the canvas."""
    if not len(sizes):
        return np.zeros((0, 2)), 0
    sizes, width = sizes + [style.row, 0], style.canvas[1]
    number = max(1, int((width + style.pad) // (sizes[:, 0].max() + 2 * style.pad)))
    places, y = [], style.pad
    for start in range(0, len(sizes), number):
        row = sizes[start : start + number]
        places.extend((style.pad + k * width / number, y) for k in range(len(row)))
        y += row[:, 1].max() + style.pad
    return np.asarray(places), round(y)


def _inside(box: np.ndarray, canvas: tuple[int, int], inset: float) -> np.ndarray:
    """Clips a box to the image and shrinks it by ``inset``. The result is never inverted."""
    height, width = canvas
    x1, x2 = np.sort(np.clip(box[[0, 2]], 0, width))
    y1, y2 = np.sort(np.clip(box[[1, 3]], 0, height))
    dx, dy = min(inset, (x2 - x1) / 2), min(inset, (y2 - y1) / 2)
    # Rounding can put half of a side past the centre.
    return np.array([x1 + dx, y1 + dy, max(x1 + dx, x2 - dx), max(y1 + dy, y2 - dy)])
