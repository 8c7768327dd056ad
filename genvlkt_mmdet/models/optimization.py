"""Makes a trained model predict faster."""

import torch
from mmengine.logging import print_log

from .detectors import GENVLKT

_DTYPES = {str(dtype).removeprefix('torch.'): dtype for dtype in (torch.float32, torch.bfloat16, torch.float16)}


def optimize_for_inference(model: GENVLKT, dtype: str = 'auto', compile: bool | str = False) -> GENVLKT:
    """Makes a model predict faster. Training, loading, saving, copying and open vocabularies work as before.

    Predictions then use copies of backbone, neck and encoder, with batch norm folded into the convolutions and channels last in
    memory. Hooks on these three are not called. The copies are made at the first prediction, and again after weights were loaded
    or trained. Weights that are changed in place in eval mode are not noticed.

    Args:
        model (GENVLKT): The model.
        dtype (str): Precision of backbone, neck and encoder: 'float32', 'bfloat16', 'float16', or 'auto', which is
            float16 on a GPU and float32 on a CPU. The head, and with it all boxes and scores, is always in float32. On CPUs
            with instructions for it (AVX-512, AMX), 'bfloat16' takes about half of the time.
        compile (bool | str): Whether the network runs through ``torch.compile``, or the name of its backend. The first
            prediction then takes minutes. It needs a C++ compiler.

    Returns:
        GENVLKT: The same model, in eval mode.

    Raises:
        ValueError: If there is no such precision, or the device does not compute in it.
    """
    if dtype not in ('auto', *_DTYPES):
        raise ValueError(f'dtype must be {", ".join(_DTYPES)} or auto, not {dtype!r}.')
    device = next(model.parameters()).device.type
    if dtype == 'auto':
        dtype = 'float16' if device == 'cuda' else 'float32'
        print_log(f'Predictions on {device} compute in {dtype}.', logger='current')
    if dtype == 'float16' and device == 'cpu':
        raise ValueError(
            "dtype='float16' needs a GPU: on a CPU take 'float32', or 'bfloat16' if it has instructions for it."
        )
    model.inference_dtype = _DTYPES[dtype]
    model.inference_backend = 'inductor' if compile is True else compile or None
    model.bbox_head._compiled_call_impl = None
    if model.inference_backend is not None:
        model.bbox_head.compile(backend=model.inference_backend, dynamic=True, fullgraph=True)
    model._forget_copies()
    return model.eval()
