"""Exported models: the network in ONNX, OpenVINO's or torch.export's format, and the model that runs it."""

from .exported_model import ExportedModel, is_exported, write_exported
from .formats import SUFFIXES

__all__ = ['SUFFIXES', 'ExportedModel', 'is_exported', 'write_exported']
