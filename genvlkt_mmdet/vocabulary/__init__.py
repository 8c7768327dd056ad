from .hoi_list import parse_hoi_list, read_hoi_list
from .hoi_vocabulary import HOIVocabulary, action_slots, load_vocabulary
from .open_vocabulary import HOIEntry, HOIReading, OpenVocabulary, open_vocabulary, readings_table

__all__ = [
    'HOIEntry',
    'HOIReading',
    'HOIVocabulary',
    'OpenVocabulary',
    'action_slots',
    'load_vocabulary',
    'open_vocabulary',
    'parse_hoi_list',
    'read_hoi_list',
    'readings_table',
]
