from .detr import DETRReport, convert_detr, load_detr

__all__ = ['DETRReport', 'convert_detr', 'load_detr']
