from .hoi_vocabulary import HOIVocabulary, load_vocabulary

__all__ = ['HOIVocabulary', 'load_vocabulary']
