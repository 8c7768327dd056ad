from .hoi_data_sample import HOIDataSample

__all__ = ['HOIDataSample']
