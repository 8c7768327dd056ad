"""The model behind the server: from the content of image files to interactions, in batches."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from ..apis import HOIInferencer, HOIResult
from ..apis.hoi_inferencer import select_triplets
from ..apis.sources import LoadedImage, decode_image
from ..apis.user_requests import RequestLimits, RequestVocabularies
from ..datasets.image_file import check_complete, check_image
from ..vocabulary import HOIEntry

_NAME = 'upload'  # of the image in messages


@dataclass(frozen=True)
class ServerLimits(RequestLimits):
    """What a request may cost, see also :class:`~genvlkt_mmdet.apis.user_requests.RequestLimits`.

    Args:
        waiting (int): Number of requests that the server works on at the same time, those that wait included. Further ones are
            refused (429).
        seconds (float): Time until the answer. A request that takes longer gets an error (504).
        batch (int): Maximum number of images in a batch.
        batch_delay (float): Seconds for which a batch waits for images that are on their way.
    """

    megabytes: int = 20
    waiting: int = 128
    seconds: float = 30
    batch: int = 16
    batch_delay: float = 0.01


class VocabularyError(ValueError):
    """The phrases of a request cannot be used."""


@dataclass
class PreparedImage:
    """An image that is ready for a batch.

    Attributes:
        image (LoadedImage): The image.
        data (dict): Result of the test pipeline.
        vocabulary (tuple[HOIEntry]): Interactions to detect. Empty: the vocabulary of the model.
        pred_score_thr (float): Score threshold, 0 to 2.
        top_k (int): Maximum number of triplets.
    """

    image: LoadedImage
    data: dict[str, Any]
    vocabulary: tuple[HOIEntry, ...]
    pred_score_thr: float
    top_k: int

    @property
    def batch_key(self) -> Hashable:
        """Images with the same key can be in one batch: same vocabulary and, so that padding changes no score, same size."""
        return self.vocabulary, tuple(self.data['inputs'].shape)


class ServedModel:
    """Runs a model for a server.

    Args:
        inferencer (HOIInferencer): The model, of a checkpoint or exported. Nothing else may use it in the meantime. Its
            vocabulary is the one of requests without phrases.
        limits (ServerLimits): What a request may cost.
    """

    def __init__(self, inferencer: HOIInferencer, limits: ServerLimits = ServerLimits()) -> None:
        self.inferencer = inferencer
        self.limits = limits
        self._vocabularies = RequestVocabularies(inferencer, limits.phrases)

    def prepare(self, content: bytes, phrases: Sequence[str], pred_score_thr: float, top_k: int) -> PreparedImage:
        """Decodes an image and runs the test pipeline. Safe for threads.

        Args:
            content (bytes): The content of an image file.
            phrases (Sequence[str]): Phrases or ``verb, object``. Empty: the vocabulary of the model.
            pred_score_thr (float): Score threshold, 0 to 2.
            top_k (int): Maximum number of triplets.

        Raises:
            VocabularyError: If there are too many phrases, or one has another form.
            ValueError: If the content is no image, or is incomplete or too large.
        """
        try:
            vocabulary = self._vocabularies.read('\n'.join(phrases))
        except ValueError as error:
            raise VocabularyError(str(error)) from error
        if len(vocabulary) != len(phrases):
            raise VocabularyError(
                'vocabulary has an entry that is empty, a comment, or several lines: write one phrase each.'
            )
        check_image(content, _NAME, self.limits.pixels)
        check_complete(content, _NAME)  # before OpenCV, which prints messages of its own
        image = LoadedImage(decode_image(content, _NAME, self.limits.pixels), None, _NAME)
        return PreparedImage(image, self.inferencer.prepare(image), vocabulary, pred_score_thr, top_k)

    def predict(self, key: tuple, batch: Sequence[PreparedImage]) -> list[HOIResult]:
        """Detects the interactions of a batch. Only one thread at a time may call it.

        Args:
            key (tuple): The ``batch_key`` that all of them have.
            batch (Sequence[PreparedImage]): The images.

        Raises:
            VocabularyError: If a phrase cannot be read, or there is no CLIP model to encode it.
            ValueError: If the output of the model is not finite.
        """
        try:
            self._vocabularies.use(key[0])
        except ValueError as error:
            raise VocabularyError(str(error)) from error
        except (OSError, ImportError) as error:  # the message has paths of this machine
            raise VocabularyError(
                'vocabulary has phrases that are new to the model, and the server has no CLIP model to encode them.'
            ) from error
        samples = self.inferencer.forward(self.inferencer.collate_fn([item.data for item in batch]))
        kept = [
            select_triplets(sample.cpu(), item.image, item.pred_score_thr, item.top_k)
            for sample, item in zip(samples, batch, strict=True)
        ]
        return self.inferencer.postprocess(kept, [], images=[item.image for item in batch])['predictions']
