"""The interactions of one image or video frame."""

import json
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..visualization import HOIVisualizer
from ..visualization.drawn_pairs import pairs_from_triplets
from .sources import is_video, read_image

if TYPE_CHECKING:
    from pandas import DataFrame
    from supervision import Detections

# Columns of `to_pandas`; of these, boxes have four columns each.
_COLUMNS = ('human_box', 'object_box', 'object', 'verb', 'phrase', 'score', 'confidence', 'query')


class HOIResult(list[dict[str, Any]]):
    """The interactions (triplets) of one image or video frame, highest score first.

    It is a list of dicts that can be written as JSON, with a few attributes and methods. Keys of a triplet:

    - ``human_box``, ``object_box``: [x1, y1, x2, y2] in pixels of the image and inside it. ``object_box`` is None for a triplet
      without object ('person standing').
    - ``object``: name of the object, or None. ``verb``: name of the verb.
    - ``phrase``: a description for people, e.g. 'person riding a horse'.
    - ``score``: the paper's score, in [0, 2]: sigmoid(HOI logit) + sigmoid(object logit)^2. The order is by this score.
    - ``confidence``: max(0, score - 1), in [0, 1]. A certain object alone gives a score of 1, so this is the part of the score
      that speaks for the interaction. It is not a calibrated probability.
    - ``query``: index of the query that found the pair. Triplets with the same query belong to the same pair of boxes.

    Args:
        triplets (Iterable[dict]): The triplets, highest score first.
        image (str, optional): Path or address of the image or video. None for an array.
        width (int): Width of the image in pixels.
        height (int): Height of the image in pixels.
        frame (int, optional): Index of the frame in its video, from 0. None for an image.
        time (float, optional): Time of the frame in seconds. None for an image.
        pixels (np.ndarray, optional): The image, (height, width, 3) uint8 BGR. None: it was not kept.
        object_names (Sequence[str]): Names of all object classes of the model, for the class ids of :meth:`to_supervision`.
        hoi_labels (Sequence[int]): Index of the HOI class of each triplet in the vocabulary of the model.

    Examples:
        >>> ride = dict(human_box=[5, 0, 25, 40], object_box=[0, 20, 60, 48], object='horse', verb='ride', score=1.75)
        >>> result = HOIResult([dict(ride, phrase='person riding a horse', confidence=0.75, query=3)], width=64, height=48)
        >>> result
        HOIResult(64 x 48, 1 interaction: person riding a horse 1.75)
        >>> print(result)
        image: person riding a horse 1.75
        >>> result[0]['verb'], len(result)
        ('ride', 1)
    """

    def __init__(
        self,
        triplets: Iterable[dict[str, Any]] = (),
        image: str | None = None,
        width: int = 0,
        height: int = 0,
        frame: int | None = None,
        time: float | None = None,
        pixels: np.ndarray | None = None,
        object_names: Sequence[str] = (),
        hoi_labels: Sequence[int] = (),
    ) -> None:
        super().__init__(triplets)
        self.image = image
        self.width = width
        self.height = height
        self.frame = frame
        self.time = time
        self.pixels = pixels
        self.object_names = tuple(object_names)
        self.hoi_labels = tuple(hoi_labels)

    def __repr__(self) -> str:
        place = ', '.join(filter(None, (self._place(), f'{self.width} x {self.height}')))
        count = f'{len(self)} interaction{"" if len(self) == 1 else "s"}'
        return f'HOIResult({place}, {count}{": " if self else ""}{self._best()})'

    def __str__(self) -> str:
        return f'{self._place() or "image"}: {self._best() or "no interaction"}'

    def _place(self) -> str:
        image = self.image or ''
        return image if self.frame is None else f'{image} frame {self.frame} ({self.time:.2f} s)'

    def _best(self) -> str:
        best = ', '.join(f'{hoi["phrase"]} {hoi["score"]:.2f}' for hoi in self[:3])
        return f'{best}, ...' if len(self) > 3 else best

    def to_dict(self) -> dict[str, Any]:
        """Returns ``image``, ``width``, ``height`` and ``hois`` (the triplets), and ``frame`` and ``time`` of a video frame."""
        place: dict[str, Any] = dict(image=self.image)
        if self.frame is not None:
            place.update(frame=self.frame, time=self.time)
        return dict(place, width=self.width, height=self.height, hois=list(self))

    def to_json(self, indent: int | None = None) -> str:
        """Returns :meth:`to_dict` as JSON. ``indent``: as in :func:`json.dumps`."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def to_pandas(self) -> 'DataFrame':
        """Returns a ``pandas.DataFrame`` with one row per triplet.

        Its columns are ``image``, ``frame``, ``time``, ``human_x1`` to ``human_y2``, ``object_x1`` to ``object_y2`` (NaN for a
        triplet without object), and the other keys of a triplet.

        Raises:
            ImportError: If pandas is not installed.
        """
        pandas = _optional('pandas', 'pandas')
        place = dict(image=self.image, frame=self.frame, time=self.time)
        rows = []
        for hoi in self:
            row: dict[str, Any] = dict(place)
            for key in _COLUMNS:
                if key.endswith('_box'):
                    row.update(zip(_corners(key), hoi[key] or [np.nan] * 4))
                else:
                    row[key] = hoi[key]
            rows.append(row)
        names = [name for key in _COLUMNS for name in (_corners(key) if key.endswith('_box') else [key])]
        return pandas.DataFrame(rows, columns=[*place, *names])

    def to_supervision(self) -> tuple['Detections', 'Detections']:
        """Returns the humans and the objects of the pairs as ``supervision.Detections``, highest score first.

        Both have one row per pair, but pairs without object have none in the objects. ``data['pair_id']`` is the query, which
        joins the human and the object of a pair. ``data['class_name']`` is the name of the object ('person' for humans), and
        ``data['phrases']`` all phrases of the pair in one text. ``confidence`` is that of the pair's best triplet.
        ``class_id`` is the index of the object class. Humans have that of 'person', or a new one if there is no such class.

        Raises:
            ImportError: If supervision is not installed.
        """
        supervision = _optional('supervision', "'genvlkt[video]'")
        pairs: dict[int, list[dict[str, Any]]] = {}
        for hoi in self:
            pairs.setdefault(hoi['query'], []).append(hoi)
        ids = {name: i for i, name in enumerate(self.object_names)}
        person = ids.get('person', len(ids))
        detections = []
        for key in ('human_box', 'object_box'):
            # The first triplet of a pair that has the box, and the pair's best one
            found = {query: (next((hoi for hoi in hois if hoi[key]), None), hois[0]) for query, hois in pairs.items()}
            rows = [(query, hoi, best) for query, (hoi, best) in found.items() if hoi is not None]
            names = ['person' if key == 'human_box' else hoi['object'] for _, hoi, _ in rows]
            detections.append(
                supervision.Detections(
                    xyxy=np.array([hoi[key] for _, hoi, _ in rows], dtype=np.float32).reshape(-1, 4),
                    confidence=np.array([best['confidence'] for _, _, best in rows], dtype=np.float32),
                    class_id=np.array(
                        [person if key == 'human_box' else ids.get(name, -1) for name in names], dtype=np.int64
                    ),
                    data=dict(
                        pair_id=np.array([query for query, _, _ in rows], dtype=np.int64),
                        class_name=np.array(names, dtype=str),
                        phrases=np.array([', '.join(h['phrase'] for h in pairs[q]) for q, _, _ in rows], dtype=str),
                    ),
                )
            )
        return detections[0], detections[1]

    def plot(self, max_hois: int = 20) -> np.ndarray:
        """Draws the interactions on the image.

        If the pixels were not kept, the image is read again from its file.

        Args:
            max_hois (int): Maximum number of triplets to draw, highest score first.

        Returns:
            np.ndarray: (H', W', 3) uint8 RGB. Small images are enlarged, so that the labels can be read.

        Raises:
            ValueError: If there are no pixels and no file to read them from, as for the frames of a video that were not kept.
        """
        pixels = self.pixels
        if pixels is None:
            if self.image is None or self.frame is not None or is_video(self.image):
                raise ValueError('This result has no pixels to draw on: take the results of HOIInferencer.stream.')
            pixels = read_image(self.image)
        return HOIVisualizer().draw_pairs(pixels[..., ::-1], pairs_from_triplets(self[:max_hois]))


def _corners(key: str) -> list[str]:
    """Column names of a box: 'human_box' gives 'human_x1', ..."""
    return [f'{key.removesuffix("box")}{side}' for side in ('x1', 'y1', 'x2', 'y2')]


def _optional(module: str, requirement: str) -> Any:
    """Imports a library that the package does not require."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f'This needs {module}, which is not installed: run `pip install {requirement}`.') from error
