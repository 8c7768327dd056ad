from .checkpoint_conversion import convert_detr_file, export_official_file, import_official_file
from .configs import find_config
from .hoi_inferencer import HOIInferencer

__all__ = ['HOIInferencer', 'convert_detr_file', 'export_official_file', 'find_config', 'import_official_file']
