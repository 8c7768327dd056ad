"""Exported models: the network in ONNX, OpenVINO's or torch.export's format, and the model that runs it."""

from .exported_model import ExportedModel, image_sizes, is_exported, write_exported
from .formats import SUFFIXES, move_openvino, quiet, takes_dtype
from .quantization import PARTS, quantize_openvino

__all__ = [
    'PARTS',
    'SUFFIXES',
    'ExportedModel',
    'image_sizes',
    'is_exported',
    'move_openvino',
    'quantize_openvino',
    'quiet',
    'takes_dtype',
    'write_exported',
]
