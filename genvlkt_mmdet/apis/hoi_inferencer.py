"""One call from images to human-object interactions."""

import json
import math
import os.path as osp
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mmcv
import mmengine
import numpy as np
import torch
from mmdet.apis.det_inferencer import IMG_EXTENSIONS
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.infer import BaseInferencer
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from rich.progress import Progress
from torch import nn

from ..converters import load_checkpoint
from ..datasets.image_file import MAX_PIXELS, check_image
from ..engine import (
    CheckpointError,
    check_device,
    inference_pipeline,
    load_weights,
    read_embedded_config,
    registered_names_only,
)
from ..files import write_file
from ..models import GENVLKT
from ..structures import HOIDataSample, has_object
from ..visualization import DEFAULT_SCORE_THR, HOIVisualizer
from ..vocabulary import HOIEntry, HOIVocabulary, load_vocabulary, read_hoi_list
from .configs import read_config
from .new_class_scores import NewClassScores

ImageInput = str | Path | np.ndarray


@dataclass
class _Picture:
    """A loaded input: ``image`` (H, W, 3) uint8 BGR, its ``path`` (None for arrays) and the name of its files."""

    image: np.ndarray
    path: str | None
    name: str


class HOIInferencer(BaseInferencer):
    """Detects human-object interactions in images, in the manner of mmdet's ``DetInferencer``.

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
            :func:`~genvlkt_mmdet.vocabulary.read_hoi_list`.
        trust_config (bool): Only without ``model``. False (the default) reads the checkpoint's config as data, and refuses one
            that needs more. True runs the Python text of that config and imports the modules that it names: whoever made the
            file can then do anything on this machine, so use it only for files of people whom you trust.

    Raises:
        FileNotFoundError: If the config, the checkpoint, the file of phrases or the CLIP model does not exist.
        ValueError: If ``weights`` is not given, a phrase cannot be read, the config is of another kind of model, or there is no
            such device.
        CheckpointError: If the checkpoint cannot be read, belongs to another config, or carries a config that is refused.

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
        trust_config: bool = False,
    ) -> None:
        if weights is None:
            raise ValueError(
                'HOIInferencer needs weights=...: the path of a checkpoint that was trained with this config.'
            )
        device = check_device(device)
        if isinstance(vocabulary, (str, Path)):
            vocabulary = read_hoi_list(vocabulary)
        init_default_scope(scope)
        self._trust_config = trust_config
        arguments = dict(weights=str(weights), device=device, scope=scope, show_progress=show_progress)
        if model is not None:
            super().__init__(read_config(str(model)) if isinstance(model, (str, Path)) else model, **arguments)
        else:
            with nullcontext() if trust_config else registered_names_only(), _embedded(str(weights)):
                super().__init__(**arguments)
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
        max_pixels: int = MAX_PIXELS,
    ) -> dict[str, list]:
        """Detects the interactions in images.

        Images from files are turned as their EXIF orientation says.

        One input that cannot be read, given alone, is an error. Among several, or in a folder, it is left out, the others are
        finished, and ``broken`` of the result lists it.

        Args:
            inputs (str | Path | np.ndarray | Sequence): Image file or address, (H, W, 3) uint8 BGR array, folder (its
                images, by name, without subfolders), or a list of files and arrays.
            batch_size (int): Images that go through the model together, at least 1. Images of different sizes are padded to one,
                which changes scores a little, as in every DETR.
            out_dir (str | Path): Folder that receives drawings, ``vis/<name>``, and predictions, ``preds/<name>.json``;
                empty writes nothing. Symbolic links in it are replaced, not followed.
            pred_score_thr (float): Keeps triplets with a higher score, in results and drawings; in [0, 2], as scores are. 0
                keeps all. Phrases that are new to the model may need a lower one: those without any triplet above it are
                logged with their best scores.
            top_k (int, optional): Maximum number of triplets per image, highest score first, at least 1. None: no limit.
            return_vis (bool): Whether to return the drawings.
            return_datasamples (bool): Whether ``predictions`` holds :class:`HOIDataSample` instead of plain containers.
            no_save_vis (bool): Whether to leave the drawings out of ``out_dir``.
            no_save_pred (bool): Whether to leave the JSON files out of ``out_dir``.
            print_result (bool): Whether to print the predictions.
            show (bool): Whether to open a window for each image.
            wait_time (float): Seconds that the window stays; 0 waits for a key.
            max_pixels (int): Largest width times height of an image file. The header is read first, and a larger image is not
                decoded. At most 178,956,970, which is Pillow's own limit.

        Returns:
            dict[str, list]: The first three lists are in the order of the images that could be read. ``images``: path, None for
            an array. ``predictions``: a list of triplets, best first, each a dict with ``human_box`` and ``object_box`` ([x1,
            y1, x2, y2] in pixels of the image, within it; None for a triplet without object), ``object`` (name, or None),
            ``verb``, ``phrase`` (e.g. 'person riding a horse') and ``score``. ``visualization``: (H', W', 3) uint8 RGB
            drawings; empty without ``return_vis``. ``broken``: the inputs that could not be read, each a dict with ``image``
            (its path) and ``error`` (a sentence).

        Raises:
            FileNotFoundError: If an image does not exist; nothing is computed then.
            ValueError: If a setting is out of its range, a folder holds no image, the only input is no image or too large, an
                array has another shape or type, ``out_dir`` cannot be used, or the output of the model is not finite.
            OSError: If a result cannot be written.
        """
        check_options(batch_size, pred_score_thr, top_k, wait_time, max_pixels)
        out_dir = str(out_dir)
        _check_out_dir(out_dir)
        ori_inputs = self._inputs_to_list(inputs)
        alone = len(ori_inputs) == 1 and not (isinstance(inputs, (str, Path)) and osp.isdir(inputs))
        broken: list[dict[str, str]] = []
        batches = self.preprocess(ori_inputs, batch_size, max_pixels, None if alone else broken)
        results: dict[str, list] = dict(images=[], predictions=[], visualization=[], broken=broken)
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
        self,
        inputs: Sequence[str | np.ndarray],
        batch_size: int = 1,
        max_pixels: int = MAX_PIXELS,
        broken: list[dict[str, str]] | None = None,
    ) -> Iterator[tuple[list[_Picture], Any]]:
        """Loads images and makes batches.

        Args:
            inputs (Sequence[str | np.ndarray]): Files and arrays.
            batch_size (int): Images of a batch.
            max_pixels (int): Largest width times height of an image file.
            broken (list, optional): Receives a dict with ``image`` and ``error`` for each input that cannot be read; None raises
                the error instead.

        Yields:
            tuple: The loaded images, and the batch for ``model.test_step``.
        """

        def prepared() -> Iterator[tuple[_Picture, Any]]:
            for item, name in zip(inputs, _file_names(inputs), strict=True):
                try:
                    picture = _load(item, name, max_pixels)
                    data = self._prepare(picture)
                except (ValueError, OSError) as error:
                    if broken is None:
                        raise
                    broken.append(dict(image=item if isinstance(item, str) else name, error=str(error)))
                else:
                    yield picture, data

        for chunk in self._get_chunk_data(prepared(), batch_size):
            pictures, data = zip(*chunk, strict=True)
            yield list(pictures), self.collate_fn(list(data))

    def _prepare(self, picture: _Picture) -> Any:
        try:
            return self.pipeline(dict(img=picture.image))
        except cv2.error as error:  # e.g. one of mmcv's transforms makes a side of zero pixels
            height, width = picture.image.shape[:2]
            raise ValueError(
                f"Image '{picture.path or picture.name}' has {width} x {height} pixels, which the test pipeline of the config "
                'cannot prepare.'
            ) from error

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
            inputs (Sequence): Loaded images.
            preds (Sequence[HOIDataSample]): Their predictions, those to draw only.
            show (bool): Whether to open a window for each image.
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
            pictures (Sequence): The loaded images of ``preds``.
            pred_out_dir (str): Folder whose ``preds`` receives a JSON file per image; empty writes none.
            print_result (bool): Whether to print the predictions.

        Returns:
            dict[str, list]: ``images``, ``predictions`` and ``visualization``, see :meth:`__call__`.
        """
        plain = [self.pred2list(pred) for pred in preds]
        for picture, hois in zip(pictures, plain, strict=True):
            height, width = picture.image.shape[:2]
            record = dict(image=picture.path, width=width, height=height, hois=hois)
            if pred_out_dir:
                file = Path(pred_out_dir, 'preds', f'{osp.splitext(picture.name)[0]}.json')
                write_file(file, json.dumps(record, indent=1).encode())
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
                    object_box=obj.tolist() if name is not None and has_object(obj) else None,
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
                raise ValueError(f"Folder '{inputs}' holds no image ({', '.join(IMG_EXTENSIONS)}).")
            return [osp.join(str(inputs), file) for file in files]
        given = [inputs] if isinstance(inputs, (str, Path, np.ndarray)) else inputs
        items = [str(item) if isinstance(item, Path) else item for item in given]
        if not items:
            raise ValueError('There is no image: the list is empty.')
        for item in items:
            if isinstance(item, np.ndarray):
                if item.ndim != 3 or item.shape[2] != 3 or item.dtype != np.uint8 or 0 in item.shape:
                    raise ValueError(
                        f'An image array must be (H, W, 3) uint8 in BGR order, but one is {item.shape} {item.dtype}.'
                    )
            elif not isinstance(item, str):
                raise ValueError(f'An input must be a path or an array, not a {type(item).__name__}.')
            if isinstance(item, str) and '://' not in item and not osp.isfile(item):
                what = (
                    'is a folder: give it alone, not in a list' if osp.isdir(item) else 'does not exist: check its path'
                )
                raise FileNotFoundError(f"Image '{item}' {what}.")
        return items

    def _init_model(self, cfg: Config, weights: str, device: str) -> nn.Module:
        checkpoint = load_checkpoint(weights)
        if not cfg:
            cfg.update(read_embedded_config(checkpoint, weights, self._trust_config).to_dict())
        model_cfg = cfg.get('model')
        if not isinstance(model_cfg, Mapping) or 'test_dataloader' not in cfg:
            raise ValueError('The config describes no model with a test set: it needs model and test_dataloader.')
        model = MODELS.build(model_cfg)
        if not isinstance(model, GENVLKT):
            raise ValueError(f'The config describes a {type(model).__name__}, but HOIInferencer runs a GENVLKT.')
        model.cfg = cfg
        name = osp.basename(getattr(cfg, 'filename', None) or 'given')
        load_weights(model, checkpoint, weights, name)
        model.dataset_meta = _dataset_meta(checkpoint, model.bbox_head)
        return model.to(device).eval()

    def _init_collate(self, cfg: Config) -> Callable:
        # mmengine looks for a scope that collate functions have not, and warns
        return super()._init_collate(cfg) if 'collate_fn' in cfg.test_dataloader else pseudo_collate

    def _init_pipeline(self, cfg: Config) -> Compose:
        """The test pipeline without files and annotations."""
        transforms = [
            deepcopy(transform)
            for transform in inference_pipeline(cfg.test_dataloader)
            if not _type_name(transform['type']).startswith('Load')
        ]
        return Compose([dict(type='LoadImageFromNDArray'), *transforms])

    def _init_visualizer(self, cfg: Config) -> HOIVisualizer:
        # Without the config's backends, which want a folder: drawings go where the call says.
        config = dict(cfg.get('visualizer', dict(type='HOIVisualizer')), vis_backends=None)
        visualizer = super()._init_visualizer(Config(dict(visualizer=config)))
        visualizer.dataset_meta = self.model.dataset_meta
        return visualizer


@contextmanager
def _embedded(weights: str) -> Iterator[None]:
    """Turns whatever a wrong setting of an embedded config makes of the parts that it describes into one sentence."""
    try:
        yield
    except (ValueError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise CheckpointError(
            f"What the config in '{weights}' describes cannot be built: {' '.join(str(error).split())}"
        ) from error


def check_options(
    batch_size: int = 1,
    pred_score_thr: float = DEFAULT_SCORE_THR,
    top_k: int | None = None,
    wait_time: float = 0,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Checks the numbers that :meth:`HOIInferencer.__call__` takes, see there.

    Raises:
        ValueError: If one is of another type, not finite, or out of its range.
    """
    for name, value in (
        ('batch_size', batch_size),
        ('top_k', 1 if top_k is None else top_k),
        ('max_pixels', max_pixels),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f'{name} must be a whole number of at least 1, not {value!r}.')
    for name, number, highest in (('pred_score_thr', pred_score_thr, 2), ('wait_time', wait_time, math.inf)):
        real = isinstance(number, (int, float, np.number)) and not isinstance(number, bool) and math.isfinite(number)
        if not real or not 0 <= number <= highest:
            limits = 'in [0, 2], as scores are' if highest == 2 else 'of at least 0'
            raise ValueError(f'{name} must be a finite number {limits}, not {number!r}.')


def _check_out_dir(out_dir: str) -> None:
    if not out_dir:
        return
    if osp.lexists(out_dir) and not osp.isdir(out_dir):
        raise ValueError(f"The output folder '{out_dir}' is a file: give another name.")
    for name in ('vis', 'preds'):
        folder = osp.join(out_dir, name)
        if osp.islink(folder) or (osp.lexists(folder) and not osp.isdir(folder)):
            what = 'a symbolic link, which is not followed' if osp.islink(folder) else 'a file'
            raise ValueError(f"'{folder}' is {what}: remove it, or give another output folder.")


def _dataset_meta(checkpoint: Mapping[str, Any], head: nn.Module) -> dict[str, Any]:
    """``dataset_meta`` of the checkpoint, whose classes :func:`load_weights` has compared; the head's own where it has none."""
    meta = checkpoint.get('meta')
    meta = meta.get('dataset_meta') if isinstance(meta, Mapping) else None
    meta = {str(key).lower(): value for key, value in meta.items()} if isinstance(meta, Mapping) else {}
    if 'vocabulary' in meta:
        return dict(meta, vocabulary=load_vocabulary(meta['vocabulary']))
    own = head.trained_vocabulary
    return dict(classes=tuple(own.object_names), vocabulary=own, zero_shot=head.zero_shot)


def _type_name(kind: str | type) -> str:
    return kind.rsplit('.', 1)[-1] if isinstance(kind, str) else kind.__name__


def _file_names(inputs: Sequence[str | np.ndarray]) -> list[str]:
    """A file name for each input, none twice: the image's own, or its position."""
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


def _load(item: str | np.ndarray, name: str, max_pixels: int) -> _Picture:
    if isinstance(item, np.ndarray):
        return _Picture(item, None, name)
    content = mmengine.fileio.get(item)
    check_image(content, item, max_pixels)
    try:
        image = mmcv.imfrombytes(content, flag='color')
    # opencv raises an error of its own on some files, and returns None on others
    except (cv2.error, ValueError):
        image = None
    if image is None:
        raise ValueError(f"'{item}' is no image that can be decoded: it is damaged, or another kind of file.")
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
