from .hoi_list import read_hoi_list
from .hoi_vocabulary import HOIVocabulary, load_vocabulary
from .open_vocabulary import HOIEntry, OpenVocabulary, open_vocabulary

__all__ = ['HOIEntry', 'HOIVocabulary', 'OpenVocabulary', 'load_vocabulary', 'open_vocabulary', 'read_hoi_list']
