"""Static quantisation of an exported OpenVINO model to int8, with NNCF."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from .formats import quiet, save_openvino

#: What can be computed in int8: backbone and encoder, the backbone, or everything.
PARTS = ('encoder', 'backbone', 'all')


def quantize_openvino(
    source: str | Path,
    file: str | Path,
    calibration: Sequence[Any],
    inputs: Callable[[Any], Mapping[str, np.ndarray]],
    part: str = 'encoder',
) -> int:
    """Writes a copy of an exported OpenVINO model with the convolutions and matrix products of a part in int8.

    The ranges of the activations come from calibration images (post-training quantisation). The rest of the network, and the
    softmax of attention, stay in float32.

    Args:
        source (str | Path): The model, ``.xml``, in float32.
        file (str | Path): The file to write.
        calibration (Sequence): Batches of calibration images.
        inputs (Callable): Makes the inputs of the network by name, see INPUTS, from a batch. It is called several times for each.
        part (str): One of PARTS.

    Returns:
        int: Number of convolutions and matrix products in int8.

    Raises:
        ImportError: If NNCF or OpenVINO is not installed.
        ValueError: If the model has no such part, or is in int8 already.
        OSError: If the file cannot be written.
    """
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            import nncf
            import openvino
            from openvino.passes import ConstantFolding, Manager
    except ImportError as error:
        raise ImportError("nncf is not installed: pip install 'genvlkt[export,quantize]'.") from error
    model = openvino.Core().read_model(source)
    if any(op.get_type_name() == 'FakeQuantize' for op in model.get_ops()):
        raise ValueError(f"'{source}' is in int8 already: export the model again in float32.")
    folding = Manager()
    folding.register_pass(ConstantFolding())  # weights that are parts of a matrix, as in attention, become constants
    folding.run_passes(model)
    ignored = [op.friendly_name for op in _outside(model, part, str(source))]
    with quiet(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # its progress bars
        warnings.simplefilter('ignore')
        # Not its model type TRANSFORMER: with it, the small model lost more mAP.
        quantized = nncf.quantize(
            model,
            nncf.Dataset(calibration, lambda batch: dict(inputs(batch))),
            subset_size=len(calibration),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=ignored, validate=False),
        )
    products = [op for op in quantized.get_ops() if op.get_type_name() in ('Convolution', 'MatMul') and _in_int8(op)]
    if not products:
        raise ValueError(f"Nothing in '{source}' could be computed in int8.")
    save_openvino(quantized, Path(file))
    return len(products)


def _outside(model: Any, part: str, source: str) -> list[Any]:
    """The operations that are not in the part. All that leads to the last product of the part belongs to it."""
    operations = [op for op in model.get_ordered_ops() if op.get_type_name() not in ('Constant', 'Parameter', 'Result')]
    if part == 'all':
        return []
    if part == 'backbone':  # the only convolutions are those of backbone and neck
        todo = [op for op in operations if op.get_type_name() == 'Convolution']
    else:
        todo = [op for op in operations if op.friendly_name.startswith('encoder.')]
    if not todo:
        raise ValueError(
            f"'{source}' has no operations of the {part}, so it is unknown what is to be in int8: export the model again with "
            'genvlkt export.'
        )
    inside = {op.friendly_name for op in todo}
    while todo:
        for value in todo.pop().input_values():
            op = value.get_node()
            if op.friendly_name not in inside:
                inside.add(op.friendly_name)
                todo.append(op)
    return [
        op for op in operations if op.friendly_name not in inside or op.get_type_name() == 'ScaledDotProductAttention'
    ]


def _in_int8(op: Any) -> bool:
    """Whether the weights of a product are stored in int8. They are converted and scaled, which OpenVINO fuses."""
    node = op.input_value(1).get_node()
    while node.get_type_name() in ('Multiply', 'Subtract', 'Convert', 'Reshape'):
        node = node.input_value(0).get_node()
    return node.get_type_name() == 'Constant' and node.get_element_type().get_type_name() in ('i8', 'u8')
