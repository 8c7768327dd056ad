"""FLOPs and parameters of a model, part by part."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..text_table import text_table
from .detectors import GENVLKT


@dataclass(frozen=True)
class PartComplexity:
    """Complexity of a part of the model.

    Attributes:
        name (str): The part.
        trained (int): Number of parameters that a training changes.
        frozen (int): Number of the others.
        flops (int): FLOPs of its matrix products and convolutions for one image. A multiply-add is two.
    """

    name: str
    trained: int
    frozen: int
    flops: int

    @property
    def parameters(self) -> int:
        """int: Number of all parameters."""
        return self.trained + self.frozen


@torch.no_grad()
def model_complexity(model: GENVLKT, size: tuple[int, int]) -> list[PartComplexity]:
    """Counts FLOPs and parameters of the parts of a detector, for the prediction of one image.

    Nothing is computed: the model runs on torch's meta device. As in torch's ``FlopCounterMode``, normalisation, activations and
    the selection of triplets have no FLOPs. The mimic loss and its CLIP belong to the training only and are not counted.

    Args:
        model (GENVLKT): The detector. It is not changed.
        size (tuple[int, int]): Height and width of the network input in pixels.

    Returns:
        list[PartComplexity]: Backbone, neck, encoder, instance decoder, parts of the interaction branch (of :class:`GENHead`: the
        interaction decoder) and heads (queries, box MLPs, classifiers and what else the head has), and their sum, ``'total'``.

    Raises:
        ValueError: If the model is of another class, or the size is not positive.
    """
    if not isinstance(model, GENVLKT):
        raise ValueError(f'The parts of a GENVLKT are counted, not those of a {type(model).__name__}.')
    if min(size) < 1:
        raise ValueError(f'The size of an image must be at least 1 x 1, not {size[0]} x {size[1]}.')
    model = deepcopy(model)
    model.bbox_head.loss_mimic = None
    model.inference_dtype = None
    model = model.to('meta').train()  # freezes what a training freezes
    images = torch.empty(1, 3, *size, device='meta')
    head = model.bbox_head
    of_head = {'instance decoder': head.instance_decoder, **head.interaction_parts}
    trained, frozen = zip(*map(_parameters, (model.backbone, model.neck, model.encoder, *of_head.values(), head)))
    model.eval()

    features, backbone = _flops(lambda: model.backbone(images))
    _, neck = _flops(lambda: model.neck(features))
    encoded, encoding = _flops(lambda: model.encode(images))
    inside: dict[nn.Module, int] = {}

    def counted(module: nn.Module, name: str) -> None:
        method = getattr(module, name)

        def count(*args: Any, **kwargs: Any) -> Any:
            result, flops = _flops(lambda: method(*args, **kwargs))
            inside[module] = inside.get(module, 0) + flops
            return result

        setattr(module, name, count)

    for part in of_head.values():
        for name in ('forward', 'block_inputs', 'read'):  # the last two: CLIPTokens
            if hasattr(part, name):
                counted(part, name)
    clip_images = torch.empty(1, 3, *[head.clip.image_size] * 2, device='meta') if head.reads_clip_images else None
    _, in_head = _flops(lambda: head(**encoded, clip_images=clip_images, last_only=True))
    of_parts = [inside[part] for part in of_head.values()]
    flops = [backbone, neck, encoding - backbone - neck, *of_parts, in_head - sum(of_parts)]
    names = ['backbone', 'neck', 'encoder', *of_head, 'heads']
    heads = [counts[-1] - sum(counts[3:-1]) for counts in (trained, frozen)]  # the head has these parts
    parts = [PartComplexity(*row) for row in zip(names, [*trained[:-1], heads[0]], [*frozen[:-1], heads[1]], flops)]
    sums = (sum(getattr(part, field) for part in parts) for field in ('trained', 'frozen', 'flops'))
    return [*parts, PartComplexity('total', *sums)]


def complexity_table(parts: Sequence[PartComplexity]) -> str:
    """Formats the result of :func:`model_complexity`: parameters in millions, FLOPs in billions."""
    rows = [
        [
            part.name,
            *(f'{count / 1e6:.2f}' for count in (part.parameters, part.trained, part.frozen)),
            f'{part.flops / 1e9:.2f}',
        ]
        for part in parts
    ]
    return text_table(['part', 'parameters (M)', 'trained (M)', 'frozen (M)', 'GFLOPs'], rows)


def _parameters(module: nn.Module) -> tuple[int, int]:
    """Numbers of trained and of frozen parameters."""
    trained = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return trained, sum(parameter.numel() for parameter in module.parameters()) - trained


def _flops(call: Callable[[], Any]) -> tuple[Any, int]:
    """The result of a call, and the FLOPs of its matrix products and convolutions."""
    # Without a kernel for attention, torch counts the products that it stands for.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        result = call()
    return result, counter.get_total_flops()
