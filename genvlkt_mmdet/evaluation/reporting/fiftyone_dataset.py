"""Writes detections and their errors for FiftyOne, a program to look at datasets."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.image_file import check_image
from ...files import new_file, write_file
from ...structures import Triplets, has_object
from ...vocabulary import HOIVocabulary, load_vocabulary
from ..functional import ERRORS, Diagnosis, equal_rows


def write_fiftyone(
    folder: str | Path,
    diagnosis: Diagnosis,
    images: Sequence[Mapping[str, Any]],
    vocabulary: str | Mapping | HOIVocabulary,
    image_folder: str | Path,
    top_k: int = 20,
) -> int:
    """Writes a dataset that ``fiftyone.Dataset.from_dir(folder, fiftyone.types.FiftyOneDataset)`` reads.

    The files are those of FiftyOne's serialised JSON format, which every version imports: ``samples.json`` and ``metadata.json``.
    The images stay where they are. FiftyOne is not needed to write them.

    Each image has the fields ``ground_truth`` and ``predictions``. A triplet is two detections in them: the human and, unless it
    has none, the object. Their attributes are

    - ``pair``: number of the human-object pair in the image. The human and the object of a pair have the same number, and so have
      its triplets;
    - ``role``: 'human' or 'object';
    - ``interaction``: phrase of the triplet, and ``verb``;
    - of predictions: ``error``, one of :data:`~genvlkt_mmdet.evaluation.functional.ERRORS` or 'not diagnosed'; ``score``, and
      ``confidence``, which is max(0, score - 1) as in :class:`~genvlkt_mmdet.apis.HOIResult`;
    - of the ground truth: ``found``, whether a prediction is correct for it.

    Args:
        folder (str | Path): Folder for the two files. It is created if missing.
        diagnosis (Diagnosis): The detections, the annotations and the errors, of
            :func:`~genvlkt_mmdet.evaluation.evaluate.diagnose_detections`.
        images (Sequence[Mapping]): The split, returned by :func:`load_ground_truth`.
        vocabulary (str | Mapping | HOIVocabulary): Vocabulary of the dataset.
        image_folder (str | Path): Folder of the images.
        top_k (int): Maximum number of triplets per image in ``predictions``, highest score first. Default: 20.

    Returns:
        int: Number of images.

    Raises:
        FileNotFoundError: If an image is missing.
        ValueError: If a file is no image. The message names it.
        OSError: If a file cannot be written.
    """
    vocabulary = load_vocabulary(vocabulary)
    folder, image_folder = Path(folder), Path(image_folder).absolute()
    dets, gts = diagnosis.dets, diagnosis.gts
    kinds = [*ERRORS, 'not diagnosed']  # the last one is that of -1
    found = diagnosis.found >= 0
    of_dets, of_gts = (_by_image(part, len(images)) for part in (dets, gts))
    paths = [str(image_folder / image['file_name']) for image in images]
    sizes = [check_image(path, path) for path in paths]
    write_file(folder / 'metadata.json', json.dumps(dict(media_type='image', info=dict(errors=kinds))).encode())
    with new_file(folder / 'samples.json') as file:
        separator = b'{"samples": [\n'
        for image, path, size, own_dets, own_gts in zip(images, paths, sizes, of_dets, of_gts):
            own_dets = own_dets[np.argsort(-dets.detection_scores[own_dets], kind='stable')[:top_k]]
            scores = dets.detection_scores[own_dets].astype(float)
            of_predictions = [
                dict(error=kinds[error], score=round(score, 6), confidence=round(max(0.0, score - 1), 6))
                for error, score in zip(diagnosis.errors[own_dets].tolist(), scores.tolist())
            ]
            of_ground_truth = [dict(found=bool(value)) for value in found[own_gts]]
            sample = dict(
                filepath=path,
                tags=[],
                metadata=dict(_cls='ImageMetadata', width=size[0], height=size[1]),
                ground_truth=_detections(gts[own_gts], of_ground_truth, size, vocabulary, image),
                predictions=_detections(dets[own_dets], of_predictions, size, vocabulary, image),
            )
            file.write(separator + json.dumps(sample, allow_nan=False).encode())
            separator = b',\n'
        file.write(b'\n]}\n')
    return len(images)


def _by_image(triplets: Triplets, num_images: int) -> list[np.ndarray]:
    """Indices of the triplets of each image."""
    order = np.argsort(triplets.images, kind='stable')
    return np.split(order, np.searchsorted(triplets.images[order], np.arange(1, num_images)))


def _detections(
    triplets: Triplets,
    attributes: Sequence[Mapping[str, Any]],
    size: tuple[int, int],
    vocabulary: HOIVocabulary,
    image: Mapping[str, Any],
) -> dict[str, Any]:
    """FiftyOne's ``Detections`` of an image's triplets, two for each with an object. ``size``: width and height."""
    _, pairs = equal_rows(*triplets.human_boxes.T, *triplets.object_boxes.T)
    detections = []
    exists = has_object(triplets.object_boxes)
    for i, (label, own) in enumerate(zip(triplets.labels.tolist(), attributes)):
        verb, interaction, name = _names(label, triplets.object_boxes[i], vocabulary, image)
        head = dict(_cls='Detection', pair=int(pairs[i]), interaction=interaction, verb=verb, **own)
        humans_and_objects = [('human', 'person', triplets.human_boxes[i])]
        if exists[i]:
            humans_and_objects.append(('object', name, triplets.object_boxes[i]))
        for role, name, box in humans_and_objects:
            detections.append(dict(head, role=role, label=name, bounding_box=_relative(box, size)))
    return dict(_cls='Detections', detections=detections)


def _names(
    label: int, object_box: np.ndarray, vocabulary: HOIVocabulary, image: Mapping[str, Any]
) -> tuple[str, str, str]:
    """Verb, phrase and object of a class. V-COCO's classes are verbs; the annotation has the objects of its own boxes."""
    if vocabulary.name != 'vcoco':
        obj = vocabulary.hoi_objects[label]
        name = vocabulary.object_names[obj] if obj < vocabulary.num_objects else 'object'
        return vocabulary.verb_names[vocabulary.hoi_verbs[label]], vocabulary.phrase(label), name
    verb, gt, name = vocabulary.verb_names[label], image['eval_gt'], 'object'
    if gt.boxes is not None and gt.box_labels is not None:
        annotated = np.flatnonzero((gt.boxes == object_box.astype(gt.boxes.dtype)).all(axis=1))
        name = vocabulary.object_names[gt.box_labels[annotated[0]]] if len(annotated) else name
    return verb, verb, name


def _relative(box: np.ndarray, size: tuple[int, int]) -> list[float]:
    """Left, top, width and height of a box inside the image, in shares of the image."""
    x1, y1, x2, y2 = np.clip(box.astype(float) / [*size, *size], 0, 1).tolist()
    return [round(value, 6) for value in (x1, y1, x2 - x1, y2 - y1)]
