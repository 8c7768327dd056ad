"""The interactions of one image or video frame."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


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

    Example:
        >>> ride = dict(human_box=[5, 0, 25, 40], object_box=[0, 20, 60, 48], object='horse', verb='ride', score=1.75)
        >>> result = HOIResult([dict(ride, phrase='person riding a horse', confidence=0.75, query=3)], width=64, height=48)
        >>> result
        HOIResult(64 x 48, 1 interaction: person riding a horse 1.75)
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
    ) -> None:
        super().__init__(triplets)
        self.image = image
        self.width = width
        self.height = height
        self.frame = frame
        self.time = time
        self.pixels = pixels
        self.object_names = tuple(object_names)

    def __repr__(self) -> str:
        place = [repr(self.image)] if self.image is not None else []
        if self.frame is not None:
            place.append(f'frame {self.frame}')
        place.append(f'{self.width} x {self.height}')
        count = f'{len(self)} interaction{"" if len(self) == 1 else "s"}'
        best = ', '.join(f'{hoi["phrase"]} {hoi["score"]:.2f}' for hoi in self[:3])
        return f'HOIResult({", ".join(place)}, {count}{": " if best else ""}{best}{", ..." if len(self) > 3 else ""})'

    def to_dict(self) -> dict[str, Any]:
        """Returns ``image``, ``width``, ``height`` and ``hois`` (the triplets), and ``frame`` and ``time`` of a video frame."""
        place: dict[str, Any] = dict(image=self.image)
        if self.frame is not None:
            place.update(frame=self.frame, time=self.time)
        return dict(place, width=self.width, height=self.height, hois=list(self))

    def to_json(self, indent: int | None = None) -> str:
        """Returns :meth:`to_dict` as JSON. ``indent``: as in :func:`json.dumps`."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)
