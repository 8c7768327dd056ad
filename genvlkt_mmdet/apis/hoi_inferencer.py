"""One call from pictures to human-object interactions."""

import os.path as osp
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import cv2
import mmcv
import mmengine
import numpy as np
from mmdet.apis.det_inferencer import IMG_EXTENSIONS
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.infer import BaseInferencer
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from rich.progress import Progress
from torch import nn

from ..datasets.vocabulary import HOIEntry, HOIVocabulary, load_vocabulary, read_hoi_list
from ..engine import CheckpointError, load_weights
from ..structures import HOIDataSample
from ..visualization import DEFAULT_SCORE_THR, HOIVisualizer
from .configs import find_config
from .new_class_scores import NewClassScores

ImageInput = str | Path | np.ndarray


@dataclass
class _Picture:
    """A loaded input: ``image`` (H, W, 3) uint8 BGR, its ``path`` (None for arrays) and the name of its files."""

    image: np.ndarray
    path: str | None
    name: str


class HOIInferencer(BaseInferencer):
    """Detects human-object interactions in pictures, in the manner of mmdet's ``DetInferencer``.

    The vocabulary comes from the checkpoint, or from the config's dataset where the checkpoint has none, and nothing of
    CLIP is needed. With an open ``vocabulary`` the interactions to look for are any phrases; the CLIP model that the config
    names encodes those that are new to the model.

    Scores are those of the paper's inference (Sec. 3.5): sigmoid(HOI logit) + sigmoid(object logit)^2, so they lie in
    [0, 2]. A pair whose object is certain scores about 1 for every interaction with it, and what exceeds 1 speaks for
    the interaction: hence a default threshold above 1.

    Args:
        model (str | Path | dict | Config, optional): Config file, name of a shipped config (``'gen_vlkt_s_hico'``), or
            config. None takes the config that the checkpoint carries.
        weights (str | Path): Checkpoint: a file, or an address that mmengine can load.
        device (str, optional): Device such as ``'cpu'`` or ``'cuda:0'``; None takes the best available.
        scope (str): Registry scope.
        show_progress (bool): Whether to show a progress bar.
        vocabulary (str | Path | Sequence, optional): Interactions to look for instead of those of the training: phrases and
            (verb, object) pairs, see :meth:`GENVLKT.set_vocabulary`, or a text file of them, see
            :func:`~genvlkt_mmdet.datasets.vocabulary.read_hoi_list`.

    Raises:
        FileNotFoundError: If the config, the checkpoint, the file of phrases or the CLIP model does not exist.
        ValueError: If ``weights`` is not given, or a phrase cannot be read.
        CheckpointError: If the checkpoint cannot be read or belongs to another config.

    Example::

        inferencer = HOIInferencer('gen_vlkt_s_hico', weights='gen_vlkt_s_hico.pth')
        result = inferencer('photo.jpg', out_dir='out')
        for hoi in result['predictions'][0]:
            print(hoi['phrase'], hoi['score'], hoi['human_box'], hoi['object_box'])
    """

    def __init__(
        self,
        model: str | Path | dict | Config | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        scope: str = 'mmdet',
        show_progress: bool = True,
        vocabulary: str | Path | Sequence[HOIEntry] | None = None,
    ) -> None:
        if isinstance(vocabulary, (str, Path)):
            vocabulary = read_hoi_list(vocabulary)
        init_default_scope(scope)
        super().__init__(
            model=str(model) if isinstance(model, Path) else model,
            weights=str(weights) if isinstance(weights, Path) else weights,
            device=device,
            scope=scope,
            show_progress=show_progress,
        )
        self.model: nn.Module = revert_sync_batchnorm(self.model)
        if vocabulary is not None:
            self.model.set_vocabulary(vocabulary)
            self.visualizer.dataset_meta = self.model.dataset_meta

    def __call__(
        self,
        inputs: ImageInput | Sequence[ImageInput],
        batch_size: int = 1,
        out_dir: str | Path = '',
        pred_score_thr: float = DEFAULT_SCORE_THR,
        top_k: int | None = None,
        return_vis: bool = False,
        return_datasamples: bool = False,
        no_save_vis: bool = False,
        no_save_pred: bool = False,
        print_result: bool = False,
        show: bool = False,
        wait_time: float = 0,
    ) -> dict[str, list]:
        """Detects the interactions in pictures.

        Pictures from files are turned as their EXIF orientation says.

        Args:
            inputs (str | Path | np.ndarray | Sequence): Picture file or address, (H, W, 3) uint8 BGR array, folder (its
                pictures, by name, without subfolders), or a list of files and arrays.
            batch_size (int): Pictures that go through the model together. Pictures of different sizes are padded to one, which
                changes scores a little, as in every DETR.
            out_dir (str | Path): Folder that receives drawings, ``vis/<name>``, and predictions, ``preds/<name>.json``;
                empty writes nothing.
            pred_score_thr (float): Keeps triplets with a higher score, in results and drawings; scores lie in [0, 2]. 0
                keeps all. Phrases that are new to the model may need a lower one: those without any triplet above it are
                logged with their best scores.
            top_k (int, optional): Keeps the best so many triplets of each picture; None keeps all.
            return_vis (bool): Whether to return the drawings.
            return_datasamples (bool): Whether ``predictions`` holds :class:`HOIDataSample` instead of plain containers.
            no_save_vis (bool): Whether to leave the drawings out of ``out_dir``.
            no_save_pred (bool): Whether to leave the JSON files out of ``out_dir``.
            print_result (bool): Whether to print the predictions.
            show (bool): Whether to open a window for each picture.
            wait_time (float): Seconds that the window stays; 0 waits for a key.

        Returns:
            dict[str, list]: Three lists in the order of the pictures. ``images``: path, None for an array.
            ``predictions``: a list of triplets, best first, each a dict with ``human_box`` and ``object_box`` ([x1, y1, x2,
            y2] in pixels of the picture, within it; None for a triplet without object), ``object`` (name, or None),
            ``verb``, ``phrase`` (e.g. 'person riding a horse') and ``score``. ``visualization``: (H', W', 3) uint8 RGB
            drawings; empty without ``return_vis``.

        Raises:
            FileNotFoundError: If a picture does not exist.
            ValueError: If a folder holds no picture, a file is no picture, or an array has another shape or type.
        """
        out_dir = str(out_dir)
        ori_inputs = self._inputs_to_list(inputs)
        batches = self.preprocess(ori_inputs, batch_size=batch_size)
        results: dict[str, list] = dict(images=[], predictions=[], visualization=[])
        new_classes = NewClassScores(self.model.bbox_head.readings)
        with _progress(len(ori_inputs), self.show_progress) as advance:
            for pictures, data in batches:
                preds = [
                    _select(sample.cpu(), picture, pred_score_thr, top_k)
                    for sample, picture in zip(new_classes.watch(self.forward(data)), pictures, strict=True)
                ]
                drawings = self.visualize(
                    pictures,
                    preds,
                    show=show,
                    wait_time=wait_time,
                    return_vis=return_vis,
                    img_out_dir='' if no_save_vis else out_dir,
                )
                packed = self.postprocess(
                    preds,
                    drawings,
                    return_datasamples,
                    pictures=pictures,
                    pred_out_dir='' if no_save_pred else out_dir,
                    print_result=print_result,
                )
                for key, values in packed.items():
                    results[key].extend(values)
                advance(len(pictures))
        new_classes.log(pred_score_thr)
        return results

    def preprocess(
        self, inputs: Sequence[str | np.ndarray], batch_size: int = 1
    ) -> Iterator[tuple[list[_Picture], Any]]:
        """Loads pictures and makes batches.

        Args:
            inputs (Sequence[str | np.ndarray]): Files and arrays.
            batch_size (int): Pictures of a batch.

        Yields:
            tuple: The loaded pictures, and the batch for ``model.test_step``.
        """
        names = _file_names(inputs)
        pictures = (_load(item, name) for item, name in zip(inputs, names, strict=True))
        for chunk in self._get_chunk_data(pictures, batch_size):
            yield chunk, self.collate_fn([self.pipeline(dict(img=picture.image)) for picture in chunk])

    def visualize(
        self,
        inputs: Sequence[_Picture],
        preds: Sequence[HOIDataSample],
        show: bool = False,
        wait_time: float = 0,
        return_vis: bool = False,
        img_out_dir: str = '',
    ) -> list[np.ndarray]:
        """Draws predictions.

        Args:
            inputs (Sequence): Loaded pictures.
            preds (Sequence[HOIDataSample]): Their predictions, those to draw only.
            show (bool): Whether to open a window for each picture.
            wait_time (float): Seconds that the window stays.
            return_vis (bool): Whether to return the drawings.
            img_out_dir (str): Folder whose ``vis`` receives the drawings; empty writes none.

        Returns:
            list[np.ndarray]: (H', W', 3) uint8 RGB drawings; empty without ``return_vis``.
        """
        drawings = []
        self.visualizer.dataset_meta = self.model.dataset_meta  # another one after `model.set_vocabulary`
        if show or return_vis or img_out_dir:
            for picture, pred in zip(inputs, preds, strict=True):
                self.visualizer.add_datasample(
                    picture.name,
                    picture.image[..., ::-1],
                    pred,
                    draw_gt=False,
                    pred_score_thr=-1.0,  # `preds` holds what is to be drawn
                    show=show,
                    wait_time=wait_time,
                    out_file=osp.join(img_out_dir, 'vis', picture.name) if img_out_dir else None,
                )
                if return_vis:
                    drawings.append(self.visualizer.get_image())
        return drawings

    def postprocess(
        self,
        preds: Sequence[HOIDataSample],
        visualization: list[np.ndarray],
        return_datasamples: bool = False,
        pictures: Sequence[_Picture] = (),
        pred_out_dir: str = '',
        print_result: bool = False,
    ) -> dict[str, list]:
        """Turns predictions into plain containers and writes them.

        Args:
            preds (Sequence[HOIDataSample]): Predictions.
            visualization (list[np.ndarray]): What :meth:`visualize` returned.
            return_datasamples (bool): Whether to return ``preds`` themselves.
            pictures (Sequence): The loaded pictures of ``preds``.
            pred_out_dir (str): Folder whose ``preds`` receives a JSON file a picture; empty writes none.
            print_result (bool): Whether to print the predictions.

        Returns:
            dict[str, list]: ``images``, ``predictions`` and ``visualization``, see :meth:`__call__`.
        """
        plain = [self.pred2list(pred) for pred in preds]
        for picture, hois in zip(pictures, plain, strict=True):
            height, width = picture.image.shape[:2]
            record = dict(image=picture.path, width=width, height=height, hois=hois)
            if pred_out_dir:
                mmengine.dump(
                    record, osp.join(pred_out_dir, 'preds', f'{osp.splitext(picture.name)[0]}.json'), indent=1
                )
            if print_result:
                print(record)
        return dict(
            images=[picture.path for picture in pictures],
            predictions=list(preds) if return_datasamples else plain,
            visualization=visualization,
        )

    def pred2list(self, data_sample: HOIDataSample) -> list[dict[str, Any]]:
        """Predicted triplets as plain containers, best first, ready for JSON.

        Args:
            data_sample (HOIDataSample): Sample with ``pred_hois`` and ``ori_shape``.

        Returns:
            list[dict]: The triplets, see :meth:`__call__`.
        """
        hois, vocabulary = data_sample.pred_hois.cpu(), self.vocabulary
        height, width = data_sample.ori_shape[:2]
        limits = np.array([width, height, width, height])
        humans, objects = (
            np.clip(boxes.double().numpy(), 0, limits) for boxes in (hois.human_boxes, hois.object_boxes)
        )
        triplets = []
        for human, obj, label, score in zip(
            humans, objects, hois.hoi_labels.tolist(), hois.scores.tolist(), strict=True
        ):
            index = vocabulary.hoi_objects[label]
            name = vocabulary.object_names[index] if index < vocabulary.num_objects else None
            triplets.append(
                dict(
                    human_box=human.tolist(),
                    object_box=obj.tolist() if name is not None and np.isfinite(obj).all() else None,
                    object=name,
                    verb=vocabulary.verb_names[vocabulary.hoi_verbs[label]],
                    phrase=vocabulary.phrase(label),
                    score=score,
                )
            )
        return triplets

    @property
    def vocabulary(self) -> HOIVocabulary:
        """HOIVocabulary: What the model's classes mean."""
        return load_vocabulary(self.model.dataset_meta['vocabulary'])

    def _inputs_to_list(self, inputs: ImageInput | Sequence[ImageInput]) -> list[str | np.ndarray]:
        """Files and arrays; says before the first one is computed that one is missing."""
        if isinstance(inputs, (str, Path)) and osp.isdir(inputs):
            files = sorted(mmengine.scandir(inputs, suffix=IMG_EXTENSIONS, case_sensitive=False))
            if not files:
                raise ValueError(f"Folder '{inputs}' holds no picture ({', '.join(IMG_EXTENSIONS)}).")
            return [osp.join(str(inputs), file) for file in files]
        given = [inputs] if isinstance(inputs, (str, Path, np.ndarray)) else inputs
        items = [str(item) if isinstance(item, Path) else item for item in given]
        for item in items:
            if isinstance(item, str) and '://' not in item and not osp.isfile(item):
                what = (
                    'is a folder: give it alone, not in a list' if osp.isdir(item) else 'does not exist: check its path'
                )
                raise FileNotFoundError(f"Picture '{item}' {what}.")
        return items

    def _load_model_from_metafile(self, model: str) -> tuple[Config, None]:
        """Config of a shipped name; its weights are the user's to give."""
        return Config.fromfile(find_config(model)), None

    def _init_model(self, cfg: Config, weights: str | None, device: str) -> nn.Module:
        if weights is None:
            raise ValueError(
                'HOIInferencer needs weights=...: the path of a checkpoint that was trained with this config.'
            )
        if '://' not in weights and not osp.isfile(weights):
            raise FileNotFoundError(f"The checkpoint file '{weights}' does not exist: check its path.")
        if '://' not in weights and not _may_be_checkpoint(weights):
            raise CheckpointError(f"'{weights}' is no checkpoint: it is damaged, or another kind of file.")
        self._weights = weights
        try:
            return super()._init_model(cfg, weights, device)
        except CheckpointError:
            raise
        except UnpicklingError as error:
            raise CheckpointError(
                f"'{weights}' is damaged, or holds objects that torch does not load safely."
            ) from error
        except (AssertionError, ValueError) as error:
            if cfg:
                raise
            raise CheckpointError(
                f"'{weights}' carries no config: give the config it was trained with as model=..."
            ) from error

    def _load_weights_to_model(self, model: nn.Module, checkpoint: Mapping, cfg: Config) -> None:
        name = osp.basename(getattr(cfg, 'filename', None) or 'given')
        load_weights(model, checkpoint, self._weights, name)
        meta = {key.lower(): value for key, value in checkpoint.get('meta', {}).get('dataset_meta', {}).items()}
        if 'vocabulary' not in meta:
            # lazy_init: the annotation files need not be there
            meta = DATASETS.build(dict(deepcopy(cfg.test_dataloader.dataset), lazy_init=True)).metainfo
        model.dataset_meta = meta

    def _init_collate(self, cfg: Config) -> Callable:
        # mmengine looks for a scope that collate functions have not, and warns
        return super()._init_collate(cfg) if 'collate_fn' in cfg.test_dataloader else pseudo_collate

    def _init_pipeline(self, cfg: Config) -> Compose:
        """The test pipeline without files and annotations."""
        transforms = [
            deepcopy(transform)
            for transform in cfg.test_dataloader.dataset.pipeline
            if not _type_name(transform['type']).startswith('Load')
        ]
        return Compose([dict(type='LoadImageFromNDArray'), *transforms])

    def _init_visualizer(self, cfg: Config) -> HOIVisualizer:
        # Without the config's backends, which want a folder: drawings go where the call says.
        config = dict(cfg.get('visualizer', dict(type='HOIVisualizer')), vis_backends=None)
        visualizer = super()._init_visualizer(Config(dict(visualizer=config)))
        visualizer.dataset_meta = self.model.dataset_meta
        return visualizer


def _may_be_checkpoint(path: str) -> bool:
    """Whether a file begins and ends as what torch writes: a zip archive, or a pickle in its old format."""
    with open(path, 'rb') as file:
        return zipfile.is_zipfile(file) or (file.seek(0) == 0 and file.read(1) == b'\x80')


def _type_name(kind: str | type) -> str:
    return kind.rsplit('.', 1)[-1] if isinstance(kind, str) else kind.__name__


def _file_names(inputs: Sequence[str | np.ndarray]) -> list[str]:
    """A file name for each input, none twice: the picture's own, or its position."""
    names: list[str] = []
    taken: set[str] = set()
    for i, item in enumerate(inputs):
        stem, suffix = osp.splitext(osp.basename(item)) if isinstance(item, str) else (f'{i:08d}', '.jpg')
        suffix = suffix if suffix.lower() in IMG_EXTENSIONS else '.jpg'
        unique = stem
        number = 1
        while unique in taken:
            unique = f'{stem}_{number}'
            number += 1
        taken.add(unique)
        names.append(unique + suffix)
    return names


def _load(item: str | np.ndarray, name: str) -> _Picture:
    if isinstance(item, np.ndarray):
        if item.ndim != 3 or item.shape[2] != 3 or item.dtype != np.uint8 or 0 in item.shape:
            raise ValueError(
                f'A picture array must be (H, W, 3) uint8 in BGR order, but one is {item.shape} {item.dtype}.'
            )
        return _Picture(item, None, name)
    try:
        image = mmcv.imfrombytes(mmengine.fileio.get(item), flag='color')
    # opencv raises an error of its own on some files, and returns None on others
    except (cv2.error, ValueError):
        image = None
    if image is None:
        raise ValueError(f"'{item}' is no picture that opencv can decode.")
    return _Picture(image, item, name)


def _select(sample: HOIDataSample, picture: _Picture, pred_score_thr: float, top_k: int | None) -> HOIDataSample:
    """Keeps the triplets that the caller wants, best first."""
    hois = sample.pred_hois
    hois = hois[hois.scores > pred_score_thr]
    sample.pred_hois = hois[hois.scores.argsort(descending=True, stable=True)[:top_k]]
    sample.set_metainfo(dict(img_path=picture.path))
    return sample


@contextmanager
def _progress(total: int, visible: bool) -> Iterator[Callable[[int], None]]:
    if not visible:
        yield lambda number: None
        return
    with Progress() as progress:
        task = progress.add_task('Inference', total=total)
        yield lambda number: progress.advance(task, number)
