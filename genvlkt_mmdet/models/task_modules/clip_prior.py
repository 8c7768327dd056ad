"""What CLIP alone says about the interactions in an image, added to the scores of a prediction."""

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

# The authors' program evaluates several numbers of classes one after another, and cuts its table to the first of them.
_RELEASED_TOP_K = 10


@TASK_UTILS.register_module()
class CLIPPrior:
    """Training-free enhancement of HOICLIP (section 3.4): raises the classes whose text is nearest to the image.

    ``weight * sigmoid(c)`` is added to every score of the image, where c is the cosine of the image embedding and the class's text
    for the ``top_k`` nearest classes, and 0 for the others. So every class gets ``weight / 2``, and the nearest ones a little more:
    with the prior, scores are in [0, 2 + weight].

    Args:
        top_k (int): Number of classes to raise. Defaults to 10.
        weight (float): Weight. Defaults to 1.
        as_released (bool): Whether to do what the authors' program does for a ``top_k`` of 20 and more: it raises the 10 nearest
            classes only. Defaults to False.

    Raises:
        ValueError: If ``top_k`` is not at least 1.
    """

    def __init__(self, top_k: int = 10, weight: float = 1.0, as_released: bool = False) -> None:
        if not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1:
            raise ValueError(f'CLIPPrior: top_k must be a whole number of at least 1, not {top_k!r}.')
        self.top_k = min(top_k, _RELEASED_TOP_K) if as_released else top_k
        self.weight = weight

    def __call__(self, cosines: Tensor) -> Tensor:
        """What is added to the scores of the A classes, (B, A), from the cosines of image and texts, (B, A)."""
        top = cosines.topk(min(self.top_k, cosines.shape[-1]), dim=-1)
        return self.weight * torch.zeros_like(cosines).scatter(-1, top.indices, top.values).sigmoid()
