"""Compares an exported model with the checkpoint that it was made from."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from ..export import ExportedModel, image_sizes, quiet
from ..models import GENVLKT
from ..models.dense_heads import VerbGENHead
from ..structures.boxes import box_iou
from ..structures.selection import TripletNMS
from ..text_table import text_table
from ..vocabulary import HOIEntry, read_hoi_list
from .hoi_inferencer import HOIInferencer
from .sources import ImageInput, find_images

#: Allowed differences. Boxes are in shares of the side of the image.
TOLERANCES = dict(logits=1e-3, boxes=1e-4, scores=1e-4)
_NEAR = 1e-3  # of an overlap


@dataclass(frozen=True)
class ExportComparison:
    """Differences between an exported model and its checkpoint.

    Attributes:
        num_images (int): Number of images.
        num_classes (int): Number of HOI classes.
        num_triplets (int): Number of triplets that the checkpoint predicts.
        logits (float): Largest difference of a logit.
        boxes (float): Largest difference of a box, in shares of the side of the image.
        scores (float): Largest difference of the score of any query and class.
        num_ties (int): Triplets that only one of both has because of a near tie: see :func:`compare_triplets`.
        num_different (int): Other triplets that only one of both has.
    """

    num_images: int
    num_classes: int
    num_triplets: int
    logits: float
    boxes: float
    scores: float
    num_ties: int
    num_different: int

    @property
    def equal(self) -> bool:
        """bool: Whether all differences are within TOLERANCES, and the triplets are the same."""
        return self.num_different == 0 and all(getattr(self, name) <= limit for name, limit in TOLERANCES.items())

    @property
    def row(self) -> list[str]:
        """The cells of a table, see :func:`comparison_table`."""
        numbers = [self.num_images, self.num_classes, self.num_triplets]
        differences = [f'{getattr(self, name):.1e}' for name in TOLERANCES]
        verdict = 'equal' if self.equal else 'different'
        return [*map(str, numbers), *differences, str(self.num_ties), str(self.num_different), verdict]


def comparison_table(rows: Iterable[tuple[str, ExportComparison]]) -> str:
    """Formats comparisons as a text table.

    Args:
        rows (Iterable[tuple[str, ExportComparison]]): Name and figures of each comparison.

    Returns:
        str: The table.
    """
    header = ['', 'images', 'classes', 'triplets', *TOLERANCES, 'near ties', 'other triplets', '']
    return text_table(header, [[name, *own.row] for name, own in rows])


def check_export(
    model: str | Path | dict | Config | None,
    weights: str | Path,
    file: str | Path,
    images: ImageInput | Iterable[ImageInput],
    vocabularies: Sequence[Sequence[HOIEntry] | str | Path | None] = (None,),
    batch_size: int = 1,
    trust_config: bool = True,
) -> list[ExportComparison]:
    """Compares an exported model with its checkpoint, in float32 on the CPU.

    Args:
        model (str | Path | dict | Config, optional): As of :class:`HOIInferencer`.
        weights (str | Path): Checkpoint.
        file (str | Path): The exported model.
        images (ImageInput | Iterable): Images to compare on, from any source of :class:`HOIInferencer`.
        vocabularies (Sequence): Open vocabularies, as phrases or a text file of them. None: the classes of the training.
        batch_size (int): Number of images per batch.
        trust_config (bool): Whether ``file`` may be a ``.pt2`` file. Defaults to True, for a file that was just exported.

    Returns:
        list[ExportComparison]: The differences with each vocabulary.

    Raises:
        ValueError, OSError, ImportError: As :class:`HOIInferencer`, and if the file has other classes.
    """
    options: dict[str, Any] = dict(device='cpu', show_progress=False)
    reference = HOIInferencer(model, weights, optimize=False, **options)
    exported = HOIInferencer(weights=file, trust_config=trust_config, **options)
    batches = [batch for _, batch in reference.preprocess(find_images(images).items, batch_size)]
    found = []
    for vocabulary in vocabularies:
        for own in (reference.model, exported.model):
            if vocabulary is None:
                own.reset_vocabulary()
            else:
                with quiet():  # not two tables of how it was read
                    own.set_vocabulary(read_hoi_list(vocabulary) if isinstance(vocabulary, (str, Path)) else vocabulary)
        if reference.vocabulary != exported.vocabulary:
            raise ValueError(f"'{file}' has other classes than '{weights}': export the model again.")
        found.append(compare_models(reference.model, exported.model, batches))
    return found


@torch.no_grad()
def compare_models(reference: GENVLKT, exported: ExportedModel, batches: Iterable[Any]) -> ExportComparison:
    """Compares the outputs and triplets of two models with the same classes.

    Args:
        reference (GENVLKT): The model, in float32 on the CPU.
        exported (ExportedModel): The exported model.
        batches (Iterable): Batches for ``test_step``.

    Returns:
        ExportComparison: The differences.
    """
    head, vocabulary = reference.bbox_head, exported.dataset_meta['vocabulary']
    objects = np.array(vocabulary.hoi_objects)
    largest = dict.fromkeys(TOLERANCES, 0.0)
    images = triplets = ties = others = 0
    for batch in batches:
        data = reference.data_preprocessor(deepcopy(batch), False)
        samples, inputs = data['data_samples'], data['inputs']
        last = {name: value[-1] for name, value in reference(inputs, samples, mode='tensor').items()}
        sizes = [sample.ori_shape[:2] for sample in samples]
        wanted = head.predict_by_feat(last, sizes)
        if isinstance(head, VerbGENHead):  # the exported logits are those of HOI classes
            last['hoi_logits'] = last['hoi_logits'][..., head.hoi_verbs]
        expected = {name: value.numpy() for name, value in last.items()}
        outputs = exported.run_network(inputs.numpy(), image_sizes(samples))
        scores = [_scores(own, objects) for own in (expected, outputs)]
        for kind, names in (('logits', ('hoi_logits', 'obj_logits')), ('boxes', ('human_boxes', 'object_boxes'))):
            worst = max(float(np.abs(outputs[name] - expected[name]).max()) for name in names)
            largest[kind] = max(largest[kind], worst)
        largest['scores'] = max(largest['scores'], float(np.abs(scores[0] - scores[1]).max()))
        for i, size in enumerate(sizes):
            given = exported.select({name: value[i] for name, value in outputs.items()}, size)
            own = {key: np.asarray(wanted[i][key]) for key in given}
            near, different = compare_triplets(own, given, scores[0][i], exported.selection)
            ties, others = ties + near, others + different
            triplets += len(own['scores'])
        images += len(sizes)
    return ExportComparison(images, vocabulary.num_hois, triplets, **largest, num_ties=ties, num_different=others)


def _scores(outputs: dict[str, np.ndarray], hoi_objects: np.ndarray) -> np.ndarray:
    hoi, obj = (1 / (1 + np.exp(-outputs[f'{part}_logits'].astype(np.float64))) for part in ('hoi', 'obj'))
    return hoi + (obj**2)[..., hoi_objects]


def compare_triplets(
    one: dict[str, np.ndarray], other: dict[str, np.ndarray], scores: np.ndarray, selection: Any
) -> tuple[int, int]:
    """Counts the triplets of an image that only one of two models has.

    Rounding can decide about a triplet in three cases, which are near ties: its score is within 2e-4 of the last one that
    enters the selection; its overlap with another triplet of its class is within 1e-3 of the threshold of NMS; or a triplet of
    its class that suppresses it has, within 2e-4, the same score. The same holds for triplets that such a triplet suppresses.

    Args:
        one (dict): Triplets of an image, see :func:`~genvlkt_mmdet.structures.selection.select_triplets`.
        other (dict): Those of the other model.
        scores (np.ndarray): Score of every query and class, (Q, A).
        selection (TripletSelection): What is kept.

    Returns:
        tuple[int, int]: Number of near ties, and of other differences.
    """
    sides = [
        {key: i for i, key in enumerate(zip(own['query_ids'].tolist(), own['hoi_labels'].tolist(), strict=True))}
        for own in (one, other)
    ]
    different = sorted(sides[0].keys() ^ sides[1].keys())
    if not different:
        return 0, 0
    near = 2 * TOLERANCES['scores']
    nms = selection.nms or TripletNMS(iou_threshold=np.inf)
    every = sides[0].keys() | sides[1].keys()
    boxes = {key: [own[name][side[key]] for name in ('human_boxes', 'object_boxes')]
             for own, side in zip((one, other), sides, strict=True) for key in side}  # fmt: skip

    def overlap(key: tuple[int, int], rival: tuple[int, int]) -> float:
        human, obj = (box_iou(a, b) for a, b in zip(boxes[key], boxes[rival], strict=True))
        return float(human**nms.human_power * obj**nms.object_power)

    number = selection.max_per_img
    cut = -np.inf if number is None or number >= scores.size else np.sort(scores, axis=None)[-number]
    rivals = {
        key: [(rival, overlap(key, rival)) for rival in every if rival[1] == key[1] and rival != key]
        for key in different
    }
    tied = {
        key
        for key in different
        if abs(scores[key] - cut) <= near
        or any(
            abs(value - nms.iou_threshold) <= _NEAR
            or (value > nms.iou_threshold and abs(scores[key] - scores[rival]) <= near)
            for rival, value in rivals[key]
        )
    }
    grown = True
    while grown:
        more = {
            key
            for key in different
            if key not in tied and any(rival in tied and value > nms.iou_threshold for rival, value in rivals[key])
        }
        tied |= more
        grown = bool(more)
    return len(tied), len(different) - len(tied)
