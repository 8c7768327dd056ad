"""Where the two decoders look for a human-object pair."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..datasets.image_file import MAX_PIXELS
from ..models import GENVLKT
from ..visualization import DEFAULT_SCORE_THR, HOIVisualizer
from ..visualization.drawn_pairs import pairs_from_triplets
from .hoi_inferencer import HOIInferencer, check_options, select_triplets
from .hoi_result import HOIResult
from .sources import ImageInput, find_images, is_video

# Maximum side of the heat maps of a drawing. The drawing stretches them.
_DRAWN_SIDE = 1024


class PairAttention(NamedTuple):
    """Attention of one pair over the image.

    Attributes:
        instance (np.ndarray): (H, W) float32, in the instance decoder: the mean of the pair's human query and object query.
        interaction (np.ndarray): (H, W) float32, in the interaction decoder.
    """

    instance: np.ndarray
    interaction: np.ndarray


class AttendedImage:
    """The interactions of an image, and where the decoders look for each pair. :func:`attend` makes it.

    Attributes:
        result (HOIResult): The interactions, with the pixels of the image.
    """

    def __init__(
        self,
        result: HOIResult,
        instance: Tensor,
        interaction: Tensor,
        input_shape: tuple[int, int],
        img_shape: tuple[int, int],
    ) -> None:
        self.result = result
        # (Q, h, w) cells over the network input, whose padding is on the right and below
        self._cells = instance, interaction
        self._input_shape, self._img_shape = input_shape, img_shape

    def pair(self, query: int, size: tuple[int, int] | None = None) -> PairAttention:
        """The maps of a pair, see :func:`pair_attention`.

        Args:
            query (int): Index of the pair's query.
            size (tuple[int, int], optional): Height and width of the maps. None: those of the image.

        Raises:
            ValueError: If there is no such query.
        """
        count = len(self._cells[0])
        if isinstance(query, bool) or not isinstance(query, (int, np.integer)) or not 0 <= query < count:
            raise ValueError(f'query must be a whole number from 0 to {count - 1}, not {query!r}.')
        height, width = self._img_shape
        maps = (_resize(cells[query], self._input_shape)[:height, :width] for cells in self._cells)
        size = size or (self.result.height, self.result.width)
        return PairAttention(*(_resize(heat, size).numpy() for heat in maps))

    def draw(self, query: int) -> np.ndarray:
        """The drawing of a pair, see :func:`draw_attention`.

        Args:
            query (int): Index of the pair's query.

        Raises:
            ValueError: If no triplet of ``result`` has this query.
        """
        own = [hoi for hoi in self.result if hoi['query'] == query]
        if not own:
            found = ', '.join(str(number) for number in self.queries)
            raise ValueError(
                f'No triplet above the threshold has query {query}; the queries of those above it: {found or "none"}.'
            )
        height, width = self.result.height, self.result.width
        scale = min(1.0, _DRAWN_SIDE / max(height, width))
        maps = self.pair(query, (max(1, round(height * scale)), max(1, round(width * scale))))
        assert self.result.pixels is not None  # `attend` keeps them
        return HOIVisualizer().draw_attention(self.result.pixels[..., ::-1].copy(), pairs_from_triplets(own), *maps)

    @property
    def queries(self) -> list[int]:
        """The queries of the triplets of ``result``, each once, highest score first."""
        return list(dict.fromkeys(hoi['query'] for hoi in self.result))


def attend(
    inferencer: HOIInferencer,
    image: ImageInput,
    pred_score_thr: float = DEFAULT_SCORE_THR,
    top_k: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> AttendedImage:
    """Detects the interactions in an image, and keeps the attention of all pairs.

    Args:
        inferencer (HOIInferencer): The model.
        image (str | Path | np.ndarray | PIL.Image.Image): Image file or address, (H, W, 3) uint8 BGR array, or image of Pillow.
        pred_score_thr (float): As in :meth:`HOIInferencer.__call__`.
        top_k (int, optional): As in :meth:`HOIInferencer.__call__`.
        max_pixels (int): As in :meth:`HOIInferencer.__call__`.

    Returns:
        AttendedImage: The interactions and the attention.

    Raises:
        FileNotFoundError: If the image does not exist.
        ValueError: If the input is no single image that can be read, or a setting is out of range.
    """
    check_attention(inferencer)
    check_options(pred_score_thr=pred_score_thr, top_k=top_k, max_pixels=max_pixels)
    source = find_images(image)
    if not source.alone or is_video(image):
        raise ValueError('The attention is that of one image: give one image, not a folder, a list or a video.')
    (images, data), *_ = inferencer.preprocess(source.items, 1, max_pixels)
    data = inferencer.model.data_preprocessor(data, False)
    with torch.no_grad():
        samples, instance, interaction = inferencer.model.predict_with_attention(data['inputs'], data['data_samples'])
    sample = select_triplets(samples[0].cpu(), images[0], pred_score_thr, top_k)
    height, width = data['inputs'].shape[-2:]
    return AttendedImage(
        inferencer._result(sample, images[0]),
        instance[0].float().cpu(),
        interaction[0].float().cpu(),
        (height, width),
        sample.img_shape[:2],
    )


def check_attention(inferencer: HOIInferencer) -> None:
    """Raises a ValueError if the model is an exported one, which does not give its attention."""
    if not isinstance(inferencer.model, GENVLKT):
        raise ValueError('An exported model does not show where it looks: take the checkpoint that it was made from.')


def pair_attention(inferencer: HOIInferencer, image: ImageInput, query: int) -> PairAttention:
    """Computes where both decoders look for a pair.

    This is the cross-attention of the last layer of each decoder, as mean over its heads. A value is the weight of a cell of the
    encoder's feature map (32 x 32 pixels of the network input), bilinear between the centres of the cells. The weights of all
    cells sum to 1.

    Args:
        inferencer (HOIInferencer): The model.
        image (str | Path | np.ndarray | PIL.Image.Image): As in :func:`attend`.
        query (int): Index of the pair's query, the ``query`` of a triplet.

    Returns:
        PairAttention: The maps ``instance`` and ``interaction``, (H, W) float32 each.

    Raises:
        FileNotFoundError: If the image does not exist.
        ValueError: If the input is no single image that can be read, or there is no such query.

    Example::

        hoi = inferencer('photo.jpg')['predictions'][0][0]
        instance, interaction = pair_attention(inferencer, 'photo.jpg', hoi['query'])
    """
    return attend(inferencer, image).pair(query)


def draw_attention(
    inferencer: HOIInferencer, image: ImageInput, query: int, pred_score_thr: float = DEFAULT_SCORE_THR
) -> np.ndarray:
    """Draws where both decoders look for a pair: the instance decoder on the left, the interaction decoder on the right.

    Args:
        inferencer (HOIInferencer): The model.
        image (str | Path | np.ndarray | PIL.Image.Image): As in :func:`attend`.
        query (int): Index of the pair's query, the ``query`` of a triplet.
        pred_score_thr (float): Score threshold, 0 to 2. The label has the triplets of the pair with a higher score.

    Returns:
        np.ndarray: (H', W', 3) uint8 RGB, see :meth:`HOIVisualizer.draw_attention`.

    Raises:
        FileNotFoundError: If the image does not exist.
        ValueError: If the input is no single image that can be read, or the pair has no triplet above the threshold.
    """
    return attend(inferencer, image, pred_score_thr).draw(query)


def _resize(heat: Tensor, size: tuple[int, int]) -> Tensor:
    """A map (h, w) in another size, bilinear."""
    return interpolate(heat[None, None], size=size, mode='bilinear', antialias=True)[0, 0]
