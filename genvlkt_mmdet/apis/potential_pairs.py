"""Finds the potential pairs of training images: a detector finds persons and objects, CLIP names what they do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmcv
import mmdet
import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..converters import load_checkpoint, weights_of
from ..datasets.hoi_dataset import HOIDataset
from ..datasets.potential_pairs import PotentialPairs, write_potential_pairs
from ..datasets.transforms import MakeCLIPImage
from ..models.vlkt import build_teacher, encode_text
from ..progress import progress_bar
from ..vocabulary import HOIVocabulary
from .configs import read_config

_MMDET = 'mmdet::'


class PotentialPairFinder:
    """Finds the pairs that may interact in an image, without any annotation of it.

    A detector finds persons and objects. Each object forms a pair with the nearest person (highest GIoU). CLIP sees the image
    with everything outside the pair in one colour, the median of the image, because the person's other object, or another
    person, would name the pair too. CLIP's view of pairs without annotation is also what EoID (Wu et al., AAAI 2023) distils.

    Args:
        vocabulary (HOIVocabulary): The vocabulary.
        detector (Mapping): ``config``: config of any detector of mmdet, a file, the name of a shipped config, or
            ``'mmdet::...'`` for one of mmdet's own.
            ``checkpoint``: its weights. Classes whose names the vocabulary does not have are left out.
        clip (Mapping | str): CLIP model that names the pairs, see :meth:`genvlkt_mmdet.models.vlkt.CLIPSource.from_cfg`.
        zoom (bool): Whether CLIP sees only the smallest square around the pair, and not the whole image. Defaults to True.
        score_thr (float): Minimum score of a detection. Defaults to 0.5.
        device (str): Device. Defaults to ``'cpu'``.

    Raises:
        FileNotFoundError: If weights are missing.
        ValueError: If the detector has no class 'person', or its weights do not fit.
    """

    def __init__(
        self,
        vocabulary: HOIVocabulary,
        detector: Mapping[str, str],
        clip: 'Mapping[str, Any] | str',
        zoom: bool = True,
        score_thr: float = 0.5,
        device: str = 'cpu',
    ) -> None:
        self.zoom = zoom
        self.score_thr = score_thr
        self.device = torch.device(device)
        cfg = detector_config(detector['config'])
        dataset = cfg.test_dataloader.dataset
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmdet')):
            self.pipeline = Compose([step for step in dataset.pipeline if 'Annotations' not in step.type])
            self.detector: nn.Module = MODELS.build(cfg.model)
        state = weights_of(load_checkpoint(detector['checkpoint']), f"'{detector['checkpoint']}'")
        try:
            self.detector.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"'{detector['checkpoint']}' does not fit '{detector['config']}': {error}") from error
        self.detector.to(self.device).eval()
        objects = {_plain(name): index for index, name in enumerate(vocabulary.object_names)}
        classes = dataset.get('metainfo', {}).get('classes') or _coco_classes()
        self.labels = torch.tensor([objects.get(_plain(name), -1) for name in classes], device=self.device)
        self.person = objects.get('person', -1)
        if self.person < 0 or self.person not in self.labels:
            raise ValueError(
                f"Detector '{detector['config']}' and vocabulary '{vocabulary.name}' must both have 'person'."
            )
        self.teacher = build_teacher(clip).to(self.device)
        self.clip_image = MakeCLIPImage(self.teacher.image_size)
        self.texts = normalize(encode_text(vocabulary.hoi_prompts, clip), dim=-1).to(self.device)  # (A, D)
        self.hoi_objects = torch.tensor(vocabulary.hoi_objects, device=self.device)

    def find(self, paths: Sequence[str | Path], batch_size: int = 16) -> list[PotentialPairs]:
        """Finds the potential pairs of images.

        Args:
            paths (Sequence[str | Path]): Image files.
            batch_size (int): Number of images that are processed at once. Defaults to 16.

        Returns:
            list[PotentialPairs]: Those of each image.
        """
        found = []
        with progress_bar('Potential pairs', len(paths)) as advance:
            for start in range(0, len(paths), batch_size):
                batch = paths[start : start + batch_size]
                images = [mmcv.imread(str(path), flag='color_ignore_orientation') for path in batch]
                found += self.name(images, [self.pair(*detections) for detections in self.detect(images)])
                advance(len(batch))
        return found

    @torch.no_grad()
    def detect(self, images: Sequence[np.ndarray]) -> list[tuple[Tensor, Tensor]]:
        """Detects objects.

        Args:
            images (Sequence[np.ndarray]): (H, W, 3) uint8 BGR each.

        Returns:
            list[tuple[Tensor, Tensor]]: Boxes (n, 4), xyxy pixels, inside the image, and object indices (n,), best first.
        """
        with DefaultScope.overwrite_default_scope('mmdet'):
            data = pseudo_collate([self._load(image) for image in images])
            samples = self.detector.test_step(data)
        return [self._known(sample.pred_instances, sample.ori_shape) for sample in samples]

    def _load(self, image: np.ndarray) -> dict[str, Any]:
        # The image is in memory, so the first step, which loads it, is left out.
        item = dict(img=image, img_id=0, img_path='', ori_shape=image.shape[:2], img_shape=image.shape[:2])
        for step in self.pipeline.transforms[1:]:
            item = step(item)
        return item

    def _known(self, found: InstanceData, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        from torchvision.ops import batched_nms  # not at the top: `import genvlkt_mmdet` loads no torchvision

        labels = self.labels[found.labels]
        keep = (found.scores >= self.score_thr) & (labels >= 0)
        boxes, scores, labels = found.bboxes[keep], found.scores[keep], labels[keep]
        height, width = shape[:2]
        boxes = boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
        # A DETR has no NMS, but some duplicates.
        best = batched_nms(boxes, scores, labels, 0.7)
        return boxes[best], labels[best]

    def pair(self, boxes: Tensor, labels: Tensor) -> InstanceData:
        """Pairs each object that has HOI classes with the nearest person.

        Args:
            boxes (Tensor): (n, 4) xyxy pixels.
            labels (Tensor): (n,) object indices.

        Returns:
            InstanceData: ``human_boxes`` (k, 4), ``object_boxes`` (k, 4), ``object_labels`` (k,).
        """
        humans = boxes[labels == self.person]
        things = (labels != self.person) & torch.isin(labels, self.hoi_objects) & bool(len(humans))
        objects = boxes[things]
        nearest = bbox_overlaps(objects, humans, mode='giou').argmax(1) if len(objects) else labels[:0]
        return InstanceData(human_boxes=humans[nearest], object_boxes=objects, object_labels=labels[things])

    @torch.no_grad()
    def name(self, images: Sequence[np.ndarray], pairs: Sequence[InstanceData]) -> list[PotentialPairs]:
        """Compares pairs with the texts of the HOI classes of their objects.

        Args:
            images (Sequence[np.ndarray]): (H, W, 3) uint8 BGR each.
            pairs (Sequence[InstanceData]): Pairs of each image, see :meth:`pair`.

        Returns:
            list[PotentialPairs]: The pairs with similarities.
        """
        views = [
            self.clip_image(dict(img=self.view(image, union)))['clip_image']
            for image, found in zip(images, pairs, strict=True)
            for union in unions(found.human_boxes, found.object_boxes).cpu().numpy()
        ]
        similarities = self.texts.new_zeros(0, len(self.texts))
        if views:
            embeds = normalize(self.teacher(torch.stack(views).to(self.device)), dim=-1)
            similarities = embeds @ self.texts.T
        counts = [len(found.object_labels) for found in pairs]
        named = []
        for found, values in zip(pairs, similarities.split(counts), strict=True):
            values = values.masked_fill(self.hoi_objects != found.object_labels[:, None], -torch.inf)
            arrays = found.human_boxes, found.object_boxes, found.object_labels, values
            named.append(PotentialPairs(*(array.cpu().numpy() for array in arrays)))
        return named

    def view(self, image: np.ndarray, box: np.ndarray) -> np.ndarray:
        """What CLIP sees of a pair: the image with everything outside the box (4,) in one colour."""
        height, width = image.shape[:2]
        x1, y1 = np.floor(box[:2]).astype(int)
        x2, y2 = np.ceil(box[2:]).astype(int)
        colour = np.median(image.reshape(-1, 3), axis=0).astype(np.uint8)
        if not self.zoom:
            view = np.full_like(image, colour)
            view[y1:y2, x1:x2] = image[y1:y2, x1:x2]
            return view
        part = image[y1:y2, x1:x2]
        side = max(part.shape[:2])
        view = np.full((side, side, 3), colour, dtype=np.uint8)
        top, left = (side - part.shape[0]) // 2, (side - part.shape[1]) // 2
        view[top : top + part.shape[0], left : left + part.shape[1]] = part
        return view


def unions(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Smallest boxes around pairs of boxes, (n, 4) each."""
    return torch.cat([boxes1[:, :2].minimum(boxes2[:, :2]), boxes1[:, 2:].maximum(boxes2[:, 2:])], dim=1)


def detector_config(name: str) -> Config:
    """Config of a detector: a file, a shipped config, or ``'mmdet::...'`` for one of mmdet's own."""
    if name.startswith(_MMDET):  # mmengine's own look-up needs the old pkg_resources
        name = str(Path(mmdet.__file__).parent / '.mim' / 'configs' / name.removeprefix(_MMDET))
    return read_config(name)


def _plain(name: str) -> str:
    return name.lower().replace('_', ' ')


def _coco_classes() -> Sequence[str]:
    from mmdet.datasets import CocoDataset

    return CocoDataset.METAINFO['classes']


def make_potential_pairs(dataset: HOIDataset, device: str = 'cpu') -> Path:
    """Makes the file of potential pairs that a dataset names.

    Args:
        dataset (HOIDataset): Dataset with ``potential_pairs``. It need not have read its annotations.
        device (str): Device. Defaults to ``'cpu'``.

    Returns:
        Path: The file.

    Raises:
        FileNotFoundError: If annotations, images or weights are missing.
    """
    settings = dataset.potential_pairs_settings
    missing = [key for key in ('detector', 'clip') if not settings.get(key)]
    if missing:
        raise ValueError(f'potential_pairs.{missing[0]} is missing in the dataset config: it finds or names the pairs.')
    names = [record['file_name'] for record in dataset.load_records()]
    own = {key: value for key, value in settings.items() if key != 'images'}
    finder = PotentialPairFinder(dataset.vocabulary, device=device, **own)
    found = finder.find([Path(dataset.image_folder) / name for name in names])
    path, pairs = dataset.potential_pairs_file, dict(zip(names, found, strict=True))
    write_potential_pairs(path, pairs, dataset.vocabulary.num_hois, settings)
    return path
