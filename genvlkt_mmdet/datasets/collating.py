"""Joins the items of a batch, and sends it from a worker of the data loader to the training."""

import io
import pickle
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch import Tensor
from torch.utils.data import get_worker_info

# Tensors with fewer bytes are copied through the pipe. For each of the others, torch makes shared memory and passes a file
# descriptor, which takes longer than the copy for all but large tensors.
_SHARED_BYTES = 2**18


@FUNCTIONS.register_module()
def hoi_collate(data_batch: Sequence[dict]) -> Any:
    """Mmengine's ``pseudo_collate``, for less time between the processes.

    Args:
        data_batch (Sequence[dict]): Packed items.

    Returns:
        dict: ``inputs`` and ``data_samples``, lists of the items' values. In a worker of a data loader, an object that the
        receiving process gets as this dict.
    """
    batch = pseudo_collate(data_batch)
    return batch if get_worker_info() is None else _Message(batch)


class _Message:
    """Is pickled as one string of bytes, and unpickled as the content."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __reduce__(self) -> tuple:
        buffer = io.BytesIO()
        _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(self.content)
        return pickle.loads, (buffer.getvalue(),)


class _Pickler(ForkingPickler):
    def reducer_override(self, obj: Any) -> Any:
        plain = type(obj) is Tensor and obj.device.type == 'cpu' and not obj.requires_grad and obj.is_contiguous()
        if plain and obj.dtype != torch.bfloat16 and obj.nbytes < _SHARED_BYTES:
            return torch.from_numpy, (obj.numpy(),)
        return NotImplemented
