"""The report of a diagnosis: a JSON file, a figure and one HTML page that needs no other file."""

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from mmengine.structures import InstanceData

from ...datasets.image_file import check_image
from ...datasets.records import leaves_folder
from ...files import write_file
from ...plotting import save_figure
from ...structures import GroundTruth, HOIDataSample, Triplets
from ...visualization import HOIVisualizer
from ...vocabulary import HOIVocabulary, action_slots
from ..functional import ERRORS, Diagnosis
from .diagnosis import (
    FATES,
    KINDS,
    TITLES,
    annotation_fates,
    by_gain,
    changes,
    class_phrases,
    diagnosis_figure,
    diagnosis_rows,
    points,
    summarize_diagnosis,
)
from .tables import percent

EXPLANATIONS = dict(
    human_box='The object is an annotated one, but the human box matches no annotated person.',
    object_box='The person is an annotated one, but the object box matches no annotated object of this class.',
    both_boxes='Neither box matches an annotated one.',
    association='Both boxes are right, but this person and this object are no annotated pair.',
    interaction='The pair is an annotated one, but the interaction is another.',
    duplicate='The interaction has been found already, with a higher score.',
    missing='No detection comes close: none has the right person, or the right object, that another annotation did not need.',
)
_MAX_WIDTH = 960
_SHOWN = 3


def write_diagnosis(
    folder: str | Path,
    diagnoses: Sequence[Diagnosis],
    images: Sequence[Mapping[str, Any]],
    vocabulary: HOIVocabulary,
    image_folder: str | Path | None = None,
    names: Sequence[str] = ('',),
    num_examples: int = 3,
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Writes the report of one or two diagnoses: ``diagnosis.json``, ``diagnosis.png`` and ``diagnosis.html``.

    Args:
        folder (str | Path): Folder for the files; created if missing.
        diagnoses (Sequence[Diagnosis]): One or two, of the same images.
        images (Sequence[Mapping]): The split, returned by :func:`load_ground_truth`.
        vocabulary (HOIVocabulary): Vocabulary of the dataset.
        image_folder (str | Path, optional): Folder of the images, for the examples. None: no examples.
        names (Sequence[str]): Name of each diagnosis.
        num_examples (int): Number of images for each kind of error. Default: 3.

    Returns:
        tuple[list[dict[str, Any]], list[Path]]: The results of :func:`summarize_diagnosis`, and the files.
    """
    import jinja2  # not at the top: most programs write no page

    summaries = [summarize_diagnosis(diagnosis, vocabulary) for diagnosis in diagnoses]
    panels: tuple[Literal['gains', 'fates'], ...] = ('gains', 'fates')
    pictures = {panel: _picture(diagnosis_figure(summaries, names, [panel])) for panel in panels}
    changed = changes(*diagnoses) if len(diagnoses) == 2 else None
    examples = []
    if image_folder is not None:
        drawn = _Examples(diagnoses[-1], images, vocabulary, Path(image_folder))
        examples = [dict(kind=kind, images=drawn.of_kind(kind, num_examples)) for kind in by_gain(summaries[-1])]
    template = Path(__file__).with_suffix('.html').read_text(encoding='utf-8')
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(template).render(
        title=' and '.join(name for name in names if name) or 'detections',
        names=names,
        summaries=summaries,
        tables=diagnosis_rows(summaries, names),
        pictures=pictures,
        classes=list(_class_rows(summaries)),
        listed={row['index'] for row in summaries[0]['classes']},
        changed=changed,
        examples=examples,
        has_images=image_folder is not None,
        titles=TITLES,
        explanations=EXPLANATIONS,
        kinds=KINDS,
        fates=FATES,
        percent=percent,
        points=points,
        biggest=by_gain(summaries[-1])[0],
    )
    content = dict(names=list(names), diagnoses=summaries, changes=changed)
    files = [Path(folder) / f'diagnosis.{suffix}' for suffix in ('json', 'png', 'html')]
    write_file(files[0], (json.dumps(content, indent=1, allow_nan=False) + '\n').encode())
    save_figure(diagnosis_figure(summaries, names), files[1])
    write_file(files[2], page.encode())
    return summaries, files


def _class_rows(summaries: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The classes, with the AP of both results. Those that lose most stand first, or those that changed most."""
    rows = []
    for parts in zip(*(summary['classes'] for summary in summaries)):
        aps = [part['ap'] for part in parts]
        known = [ap for ap in aps if ap is not None]
        change = aps[1] - aps[0] if len(known) == 2 else None
        last = parts[-1]
        worst = max(KINDS, key=lambda kind: last['gains'][kind] or 0)
        rows.append(
            dict(
                last,
                aps=aps,
                change=change,
                worst=worst if (last['gains'][worst] or 0) > 0 else None,
                order=min(known, default=1),
            )
        )
    key = (lambda row: row['change'] or 0) if len(summaries) == 2 else (lambda row: row['order'])
    return iter(sorted(rows, key=key))


def _picture(figure: Any) -> str:
    content = io.BytesIO()
    figure.savefig(content, format='png', dpi=110)
    return _data_uri(content.getvalue(), 'png')


def _data_uri(content: bytes, kind: str) -> str:
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'


class _Examples:
    """Draws the detections of an error in the images where they have the highest scores."""

    def __init__(
        self, diagnosis: Diagnosis, images: Sequence[Mapping[str, Any]], vocabulary: HOIVocabulary, folder: Path
    ) -> None:
        self.diagnosis, self.images, self.folder = diagnosis, images, folder
        self.fates = annotation_fates(diagnosis)
        self.phrases = class_phrases(vocabulary)
        if vocabulary.name == 'vcoco':  # whose classes are verbs here
            roles = [slot is not None for _, slot in action_slots(vocabulary)[1]]
            vocabulary = replace(
                vocabulary,
                hoi_verbs=tuple(range(vocabulary.num_verbs)),
                hoi_objects=tuple(0 if role else vocabulary.no_object for role in roles),
                hoi_ids=vocabulary.verb_ids,
                hoi_prompts=tuple(f'person {phrase}' for phrase in vocabulary.verb_phrases),
                splits={},
                rare=(),
            )
        self.visualizer = HOIVisualizer(min_side=360)
        self.visualizer.dataset_meta = dict(vocabulary=vocabulary)

    def of_kind(self, kind: str, count: int) -> list[dict[str, Any]]:
        """The first ``count`` images that can be read, as data for the page."""
        entries: list[dict[str, Any]] = []
        for image, rows in self._ranked(kind):
            drawing = self._draw(image, kind, rows)
            if drawing is not None:
                labels = (self.diagnosis.gts if kind == 'missing' else self.diagnosis.dets).labels[rows]
                scores = (
                    [None] * len(rows) if kind == 'missing' else self.diagnosis.dets.detection_scores[rows].tolist()
                )
                entries.append(
                    dict(
                        name=self.images[image]['file_name'],
                        drawing=drawing,
                        triplets=[(int(i), self.phrases[i], score) for i, score in zip(labels, scores)],
                    )
                )
            if len(entries) == count:
                break
        return entries

    def _ranked(self, kind: str) -> Iterator[tuple[int, np.ndarray]]:
        """Images of a kind, worst first, each with its annotations (missing) or its detections of the highest scores."""
        diagnosis = self.diagnosis
        if kind == 'missing':
            rows = np.flatnonzero(self.fates == FATES.index(kind))
            images = diagnosis.gts.images[rows]
            numbers = np.bincount(images, minlength=1)
            order = np.argsort(-numbers, kind='stable')[: int((numbers > 0).sum())]
        else:
            rows = np.flatnonzero(diagnosis.errors == ERRORS.index(kind))
            rows = rows[np.argsort(-diagnosis.dets.detection_scores[rows], kind='stable')]
            images = diagnosis.dets.images[rows]
            _, first = np.unique(images, return_index=True)
            order = images[np.sort(first)]
        for image in order[:50]:  # not all, if no image can be read
            yield int(image), rows[images == image][:_SHOWN]

    def _draw(self, image: int, kind: str, rows: np.ndarray) -> str | None:
        """The drawing as a data URI: ground truth beside the wrong detections. None: there is no such image."""
        name = self.images[image]['file_name']
        path = self.folder / name
        if leaves_folder(name):
            return None
        try:
            check_image(str(path), str(path))
            pixels = cv2.imread(str(path))
        except (OSError, ValueError):
            pixels = None
        if pixels is None:
            return None
        scale = min(1.0, 640 / max(pixels.shape[:2]))
        if scale < 1:
            pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        gt: GroundTruth = self.images[image]['eval_gt']
        persons = gt.persons and replace(gt.persons, boxes=gt.persons.boxes * scale)
        sample = HOIDataSample(
            metainfo=dict(eval_gt=replace(gt, triplets=_scaled(gt.triplets, scale), persons=persons, boxes=None))
        )
        dets = self.diagnosis.dets
        if kind == 'missing':  # what was detected instead
            own = np.flatnonzero((dets.images == image) & self.diagnosis.det_counts)
            rows = own[np.argsort(-dets.detection_scores[own], kind='stable')][:_SHOWN]
        shown = _scaled(dets[rows], scale)
        sample.pred_hois = InstanceData(
            human_boxes=torch.from_numpy(shown.human_boxes),
            object_boxes=torch.from_numpy(shown.object_boxes),
            hoi_labels=torch.from_numpy(shown.labels),
            scores=torch.from_numpy(shown.detection_scores),
        )
        self.visualizer.add_datasample(name, pixels[..., ::-1], sample, pred_score_thr=-np.inf)
        drawn = self.visualizer.get_image()[..., ::-1]
        if drawn.shape[1] > _MAX_WIDTH:
            drawn = cv2.resize(
                drawn,
                None,
                fx=_MAX_WIDTH / drawn.shape[1],
                fy=_MAX_WIDTH / drawn.shape[1],
                interpolation=cv2.INTER_AREA,
            )
        return _data_uri(cv2.imencode('.jpg', drawn, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes(), 'jpeg')


def _scaled(triplets: Triplets, scale: float) -> Triplets:
    return replace(triplets, human_boxes=triplets.human_boxes * scale, object_boxes=triplets.object_boxes * scale)
