"""What services for several users have in common: limits, and a vocabulary for each request."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from ..models.vlkt import KeptTextEncoder
from ..vocabulary import HOIEntry, OpenVocabulary, open_vocabulary, parse_hoi_list
from .hoi_inferencer import HOIInferencer


@dataclass(frozen=True)
class RequestLimits:
    """What a request may cost.

    Args:
        megabytes (int): Size of an uploaded file.
        pixels (int): Width times height of an image or of a frame.
        phrases (int): Number of phrases.
        waiting (int): Number of requests that wait. Further ones get a message.
    """

    megabytes: int = 50
    pixels: int = 24_000_000
    phrases: int = 200
    waiting: int = 20

    @property
    def bytes(self) -> int:
        """Size of an uploaded file in bytes."""
        return self.megabytes * 1_000_000


class RequestVocabularies:
    """Gives a model the vocabulary of each request.

    The embeddings of new phrases and the vocabularies that were used last are kept in memory. Not safe for threads.

    Args:
        inferencer (HOIInferencer): The model. Nothing else may set its vocabulary in the meantime. Its vocabulary is the one of
            requests without phrases.
        max_phrases (int): Maximum number of phrases of a request.
        kept (int): Number of vocabularies that are kept.
    """

    def __init__(self, inferencer: HOIInferencer, max_phrases: int, kept: int = 32) -> None:
        self._model = inferencer.model
        self._max_phrases = max_phrases
        self._own = tuple(reading.entry for reading in self._model.readings)
        self._current: tuple[HOIEntry, ...] | None = self._own
        self._clip = self._model.clip and KeptTextEncoder(self._model.clip)
        self._kept: OrderedDict[tuple[HOIEntry, ...], OpenVocabulary] = OrderedDict()
        self._max_kept = kept

    def read(self, phrases: str) -> tuple[HOIEntry, ...]:
        """Reads phrases or ``verb, object``, one per line, but does not look up their words. Empty: the vocabulary of the model.

        Raises:
            ValueError: If there are too many, or a line cannot be read.
        """
        entries = parse_hoi_list(phrases, ' of the phrases')
        if len(entries) > self._max_phrases:
            raise ValueError(f'There are {len(entries)} phrases: write at most {self._max_phrases}.')
        return tuple(entries)

    def use(self, entries: Sequence[HOIEntry]) -> None:
        """Sets the vocabulary of the model.

        Args:
            entries (Sequence[HOIEntry]): Phrases and (verb, object) pairs. Empty: the vocabulary of the model.

        Raises:
            ValueError: If an entry cannot be read. The model then has the vocabulary of its training.
            FileNotFoundError: If there is no CLIP model for a new phrase.
        """
        entries = tuple(entries) or self._own
        if entries == self._current:
            return
        self._current = None
        self._model.reset_vocabulary()
        if entries:
            self._model.set_vocabulary(self._open(entries), self._clip)
        self._current = entries

    def _open(self, entries: tuple[HOIEntry, ...]) -> OpenVocabulary:
        if entries not in self._kept:
            self._kept[entries] = open_vocabulary(self._model.trained_vocabulary, entries)
            if len(self._kept) > self._max_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(entries)
        return self._kept[entries]
