"""Where the two decoders look for a human-object pair."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..datasets.image_file import write_image
from ..structures import HOIDataSample
from ..visualization import DEFAULT_SCORE_THR
from .hoi_inferencer import HOIInferencer, ImageInput, check_options

# Side of the heat maps of a drawing, which is larger only if the image is.
_DRAWN_SIDE = 1024


class PairAttention(NamedTuple):
    """Attention of one pair over the image.

    Attributes:
        instance (np.ndarray): (H, W) float32, in the instance decoder: the mean of the pair's human query and object query.
        interaction (np.ndarray): (H, W) float32, in the interaction decoder.
    """

    instance: np.ndarray
    interaction: np.ndarray


class _Attended(NamedTuple):
    """An image, its prediction, and the attention of all pairs, (Q, h, w) cells over the padded network input each."""

    image: Any
    sample: HOIDataSample
    input_shape: tuple[int, int]
    instance: Tensor
    interaction: Tensor

    def of_pair(self, query: int, size: tuple[int, int]) -> PairAttention:
        """The maps of one pair over the image, with ``size`` (height, width)."""
        if isinstance(query, bool) or not isinstance(query, (int, np.integer)) or not 0 <= query < len(self.instance):
            raise ValueError(f'query must be a whole number from 0 to {len(self.instance) - 1}, not {query!r}.')
        height, width = self.sample.img_shape[:2]
        maps = (_resize(m[query], self.input_shape)[:height, :width] for m in (self.instance, self.interaction))
        return PairAttention(*(_resize(m, size).numpy() for m in maps))


def pair_attention(inferencer: HOIInferencer, image: ImageInput, query: int) -> PairAttention:
    """Computes where both decoders look for a pair.

    This is the cross-attention of the last layer of each decoder, as mean over its heads. A value is the weight of a cell of the
    encoder's feature map (32 x 32 pixels of the network input), bilinear between the centres of the cells. The weights of all
    cells sum to 1.

    Args:
        inferencer (HOIInferencer): The model.
        image (str | Path | np.ndarray): Image file or address, or (H, W, 3) uint8 BGR array.
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
    attended = _attend(inferencer, image)
    return attended.of_pair(query, attended.image.pixels.shape[:2])


def draw_attention(
    inferencer: HOIInferencer, image: ImageInput, query: int, pred_score_thr: float = DEFAULT_SCORE_THR
) -> np.ndarray:
    """Draws where both decoders look for a pair: the instance decoder on the left, the interaction decoder on the right.

    Args:
        inferencer (HOIInferencer): The model.
        image (str | Path | np.ndarray): As in :func:`pair_attention`.
        query (int): As in :func:`pair_attention`.
        pred_score_thr (float): Triplets of the pair with a higher score are named in the label, or the best one alone.

    Returns:
        np.ndarray: (H', W', 3) uint8 RGB, see :meth:`HOIVisualizer.draw_attention`.

    Raises:
        FileNotFoundError: If the image does not exist.
        ValueError: If the input is no single image that can be read, or no triplet of the image has this query.
    """
    check_options(pred_score_thr=pred_score_thr)
    return _draw(inferencer, _attend(inferencer, image), query, pred_score_thr)


def write_attention(
    inferencer: HOIInferencer,
    image: ImageInput,
    out_dir: str | Path,
    pred_score_thr: float = DEFAULT_SCORE_THR,
    top_k: int | None = None,
) -> list[Path]:
    """Writes a drawing as of :func:`draw_attention` for each pair of an image that has a triplet above the threshold.

    Args:
        inferencer (HOIInferencer): The model.
        image (str | Path | np.ndarray): As in :func:`pair_attention`.
        out_dir (str | Path): Folder for the files, ``<name of the image>_query<query>.jpg``.
        pred_score_thr (float): Score threshold, 0 to 2.
        top_k (int, optional): Only pairs among this many triplets with the highest scores. None: no limit.

    Returns:
        list[Path]: The files, pair with the highest score first.

    Raises:
        FileNotFoundError: If the image does not exist.
        ValueError: If the input is no single image that can be read, or a setting is out of range.
        OSError: If a file cannot be written.
    """
    check_options(pred_score_thr=pred_score_thr, top_k=top_k)
    attended = _attend(inferencer, image)
    hois = attended.sample.pred_hois
    hois = hois[hois.scores > pred_score_thr][:top_k]
    files = []
    for query in dict.fromkeys(hois.query_ids.tolist()):
        file = Path(out_dir, f'{Path(attended.image.name).stem}_query{query}.jpg')
        write_image(file, _draw(inferencer, attended, query, pred_score_thr)[..., ::-1])
        files.append(file)
    return files


def _attend(inferencer: HOIInferencer, image: ImageInput) -> _Attended:
    model, inputs = inferencer.model, inferencer._inputs_to_list(image)
    if len(inputs) > 1:
        raise ValueError(f'The attention is that of one image, but there are {len(inputs)}.')
    (images, data), *_ = inferencer.preprocess(inputs)
    data = model.data_preprocessor(data, False)
    with torch.no_grad():
        samples, *maps = model.predict_with_attention(data['inputs'], data['data_samples'])
    input_shape = tuple(data['inputs'].shape[-2:])
    return _Attended(images[0], samples[0].cpu(), input_shape, *(m[0].float().cpu() for m in maps))


def _draw(inferencer: HOIInferencer, attended: _Attended, query: int, pred_score_thr: float) -> np.ndarray:
    hois = attended.sample.pred_hois
    own = hois[hois.query_ids == query]
    if not len(own):
        found = ', '.join(str(number) for number in dict.fromkeys(hois.query_ids.tolist()))
        raise ValueError(
            f'No triplet of this image has query {query}; the queries of its triplets are: {found or "none"}.'
        )
    own = own[own.scores > min(pred_score_thr, own.scores.max().item() - 1e-6)]
    pixels = attended.image.pixels
    scale = min(1.0, _DRAWN_SIDE / max(pixels.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[:2])
    inferencer.visualizer.dataset_meta = inferencer.model.dataset_meta
    return inferencer.visualizer.draw_attention(pixels[..., ::-1].copy(), own, *attended.of_pair(query, size))


def _resize(heat: Tensor, size: tuple[int, int]) -> Tensor:
    """A map (h, w) in another size, bilinear."""
    return interpolate(heat[None, None], size=size, mode='bilinear', antialias=True)[0, 0]
