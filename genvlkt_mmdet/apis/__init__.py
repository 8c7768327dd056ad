from .attention import AttendedImage, PairAttention, attend, draw_attention, pair_attention
from .checkpoint_conversion import convert_detr_file, export_official_file, import_official_file
from .configs import find_config
from .export_check import check_export
from .hoi_inferencer import HOIInferencer
from .hoi_result import HOIResult
from .model_export import export_model
from .quantization import LossError, QuantizationReport, quantize_model

__all__ = [
    'AttendedImage',
    'HOIInferencer',
    'HOIResult',
    'LossError',
    'PairAttention',
    'QuantizationReport',
    'attend',
    'check_export',
    'convert_detr_file',
    'draw_attention',
    'export_model',
    'export_official_file',
    'find_config',
    'import_official_file',
    'pair_attention',
    'quantize_model',
]
