"""Detects human-object interactions in images with one call."""

import logging
import math
import os.path as osp
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.infer import BaseInferencer
from mmengine.logging import print_log
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import nn

from ..assets import SCHEME
from ..converters import load_checkpoint
from ..datasets.image_file import MAX_PIXELS
from ..engine import (
    CheckpointError,
    ConfigError,
    check_device,
    config_name,
    dataset_meta,
    explained,
    inference_pipeline,
    load_weights,
    one_line,
    read_embedded_config,
    registered_names_only,
)
from ..export import ExportedModel, is_exported, takes_dtype
from ..files import write_file
from ..models import GENVLKT, optimize_for_inference
from ..progress import progress_bar
from ..structures import HOIDataSample, has_object
from ..visualization import DEFAULT_SCORE_THR, HOIVisualizer
from ..vocabulary import HOIEntry, HOIVocabulary, load_vocabulary, read_hoi_list
from .configs import read_config
from .hoi_result import HOIResult
from .new_class_scores import NewClassScores
from .sources import ImageInput, LoadedImage, find_images, load_images, named

#: The model that ships with the package. It knows the rendered scenes of MiniHOI, no photographs.
DEFAULT_MODEL = 'gen_vlkt_tiny_minihoi'
DEFAULT_WEIGHTS = f'{SCHEME}{DEFAULT_MODEL}.pth'


class HOIInferencer(BaseInferencer):
    """Detects human-object interactions in images, similar to mmdet's ``DetInferencer``.

    The vocabulary comes from the checkpoint, or from the model's config if the checkpoint has none. CLIP is not needed. With
    an open ``vocabulary``, the interactions can be any phrases. The CLIP model of the config encodes the phrases that are new
    to the model.

    Scores are those of the paper (Sec. 3.5): sigmoid(HOI logit) + sigmoid(object logit)^2, in [0, 2]. If the object is
    certain, every interaction with it has a score of about 1 or more. Only the part above 1 speaks for the interaction.
    Therefore the default threshold is above 1.

    Args:
        model (str | Path | dict | Config, optional): Config file, name of a shipped config (``'gen_vlkt_s_hico'``), config, or
            exported model (``'model.onnx'``, see :func:`export_model`). None: the config in the checkpoint.
        weights (str | Path, optional): Checkpoint, as a file or an address that mmengine can load, or an exported model. None,
            without a ``model``: the small model that ships with the package, for the rendered images of MiniHOI.
        device (str, optional): Device such as ``'cpu'`` or ``'cuda:0'``. None: the best available device.
        scope (str): Registry scope.
        show_progress (bool): Whether to show a progress bar.
        vocabulary (str | Path | Sequence, optional): Interactions to detect instead of those of the training: phrases and
            (verb, object) pairs (see :meth:`GENVLKT.set_vocabulary`), or a text file of them (see
            :func:`~genvlkt_mmdet.vocabulary.read_hoi_list`).
        trust_config (bool): Only without ``model``. False (default): the checkpoint's config is read as data, and refused if
            it needs more. True: the Python text of that config is run, and the modules that it names are imported. The author of
            the file can then run any code on this machine, so use it only for files of people whom you trust. A ``.pt2`` file
            needs it as well.
        optimize (bool): Whether the model is passed to :func:`~genvlkt_mmdet.models.optimize_for_inference`. Defaults to True.
        dtype (str): Its precision: 'auto' (float16 on a GPU, else float32), 'float32', 'bfloat16' or 'float16'. An exported
            model takes 'float32' and, if it is OpenVINO's, 'bfloat16'.
        compile (bool | str): Whether it is compiled, or the backend of ``torch.compile``. Defaults to False.

    Raises:
        FileNotFoundError: If the config, the checkpoint, the file of phrases or the CLIP model does not exist.
        ImportError: If the library that runs an exported model is not installed.
        ValueError: If a ``model`` is given without ``weights``, a phrase cannot be read, the config is of another kind of model,
            there is no such device, or an exported model is damaged or given with settings that only a checkpoint has.
        ConfigError: If a setting of ``model`` is unknown or impossible.
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
        optimize: bool = True,
        dtype: str = 'auto',
        compile: bool | str = False,
    ) -> None:
        if model is None and weights is None:
            model, weights = DEFAULT_MODEL, DEFAULT_WEIGHTS
        if weights is None and is_exported(model):
            model, weights = None, model
        if weights is None:
            raise ValueError(
                'HOIInferencer needs weights=... (--weights on the command line): the path of a checkpoint that was trained with '
                'this config.'
            )
        exported = is_exported(weights)
        if exported:
            _check_exported_options(str(weights), model, device, dtype, compile)
        device = check_device('cpu' if exported else device)
        if isinstance(vocabulary, (str, Path)):
            vocabulary = read_hoi_list(vocabulary)
        init_default_scope(scope)
        self._trust_config = trust_config
        self._exported = ExportedModel(weights, trust_config, dtype) if exported else None
        arguments = dict(weights=str(weights), device=device, scope=scope, show_progress=show_progress)
        if model is not None:
            super().__init__(read_config(str(model)) if isinstance(model, (str, Path)) else model, **arguments)
        else:
            with nullcontext() if trust_config else registered_names_only(), _embedded(str(weights)):
                super().__init__(**arguments)
        self.model: nn.Module = revert_sync_batchnorm(self.model)
        if optimize and not exported:
            optimize_for_inference(self.model, dtype, compile)
        if vocabulary is not None:
            self.model.set_vocabulary(vocabulary)
            self.visualizer.dataset_meta = self.model.dataset_meta

    def __call__(
        self,
        inputs: ImageInput | Iterable[ImageInput],
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
        recursive: bool = False,
        stride: int = 1,
    ) -> dict[str, list]:
        """Detects the interactions in images and videos.

        Images from files are rotated according to their EXIF orientation.

        A single input that cannot be read is an error. In a list or a folder, such an input is skipped and listed in
        ``broken`` of the result. All results are returned at once: for long videos, use :meth:`stream`.

        Args:
            inputs (ImageInput | Iterable): Image or video file or address, pattern (``'photos/*.jpg'``), folder (its images, by
                name), text file with one path or address per line, index of a camera, (H, W, 3) uint8 BGR array, image of
                Pillow, or an iterable of files, addresses, arrays and images. See
                :func:`~genvlkt_mmdet.apis.sources.find_images`.
            batch_size (int): Number of images per batch, at least 1. Images of different sizes are padded to the same size, which
                changes scores a little, as in every DETR.
            out_dir (str | Path): Folder for drawings, ``vis/<name>``, and predictions, ``preds/<name>.json``. Empty: nothing is
                written. Symbolic links in it are replaced, not followed.
            pred_score_thr (float): Score threshold, 0 to 2. Triplets with a higher score are kept, in results and drawings. 0
                keeps all. Phrases that are new to the model may need a lower threshold. Those without any triplet above it
                are logged with their highest scores.
            top_k (int, optional): Maximum number of triplets per image, highest score first, at least 1. None: no limit.
            return_vis (bool): Whether to return the drawings.
            return_datasamples (bool): Whether ``predictions`` has :class:`HOIDataSample` objects instead of results.
            no_save_vis (bool): Whether not to write drawings to ``out_dir``.
            no_save_pred (bool): Whether not to write JSON files to ``out_dir``.
            print_result (bool): Whether to print the predictions.
            show (bool): Whether to open a window for each image.
            wait_time (float): Seconds until the window closes. 0 waits for a key.
            max_pixels (int): Maximum width times height of an image file. The header is read first, and larger images are not
                decoded. At most 178,956,970, the limit of Pillow.
            recursive (bool): Whether the images in subfolders of a folder are processed as well.
            stride (int): Of a video or camera, every ``stride``-th frame is processed, at least 1.

        Returns:
            dict[str, list]: The first three lists have one entry per image or frame that could be read, in the order of the
            input. ``images``: path of the image, None for an array. ``predictions``: its triplets, highest score first, as a
            :class:`HOIResult`, which is a list of dicts. ``visualization``: (H', W', 3) uint8 RGB drawings. Empty without
            ``return_vis``. ``broken``: inputs that could not be read, each a dict with ``image`` (the path) and ``error`` (the
            message).

        Raises:
            FileNotFoundError: If an image does not exist. No image is processed then.
            ValueError: If a setting is out of range, a folder has no image, the only input is not an image or too large, an array
                has another shape or type, ``out_dir`` cannot be used, or the output of the model is not finite.
            OSError: If a result cannot be written.
        """
        check_options(batch_size, pred_score_thr, top_k, wait_time, max_pixels, stride)
        out_dir = str(out_dir)
        _check_out_dir(out_dir)
        source = find_images(inputs, recursive)
        broken: list[dict[str, str]] = []
        batches = self.preprocess(source.items, batch_size, max_pixels, None if source.alone else broken.append, stride)
        results: dict[str, list] = dict(images=[], predictions=[], visualization=[], broken=broken)
        with progress_bar('Inference', source.total, self.show_progress) as advance:
            for images, preds in self._predict(batches, pred_score_thr, top_k):
                drawings = self.visualize(
                    images,
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
                    images=images,
                    pred_out_dir='' if no_save_pred else out_dir,
                    print_result=print_result,
                )
                for result in () if return_datasamples else packed['predictions']:
                    if result.image is not None:  # can be read again; the arrays are the caller's
                        result.pixels = None
                for key, values in packed.items():
                    results[key].extend(values)
                advance(len(images))
        return results

    def stream(
        self,
        source: ImageInput | Iterable[ImageInput],
        batch_size: int = 1,
        pred_score_thr: float = DEFAULT_SCORE_THR,
        top_k: int | None = None,
        stride: int = 1,
        recursive: bool = False,
        max_pixels: int = MAX_PIXELS,
        broken: list[dict[str, str]] | None = None,
        out_dir: str | Path = '',
        no_save_vis: bool = False,
        no_save_pred: bool = False,
    ) -> Iterator[HOIResult]:
        """Detects the interactions in images or videos while they are read. Only one batch is in memory, whatever the length.

        Args:
            source (ImageInput | Iterable): As ``inputs`` of :meth:`__call__`.
            batch_size (int): As in :meth:`__call__`.
            pred_score_thr (float): As in :meth:`__call__`.
            top_k (int, optional): As in :meth:`__call__`.
            stride (int): As in :meth:`__call__`.
            recursive (bool): As in :meth:`__call__`.
            max_pixels (int): As in :meth:`__call__`.
            broken (list, optional): Gets an entry for each input that cannot be read, as ``broken`` of the result of
                :meth:`__call__`. None: a warning is logged instead.
            out_dir (str | Path): As in :meth:`__call__`.
            no_save_vis (bool): As in :meth:`__call__`.
            no_save_pred (bool): As in :meth:`__call__`.

        Returns:
            Iterator[HOIResult]: The result of each image or frame, in the order of the source, with its ``pixels``.

        Raises:
            FileNotFoundError: As :meth:`__call__`, before anything is read.
            ValueError: As :meth:`__call__`. The errors of reading and predicting are raised by the iterator.

        Example::

            for result in inferencer.stream('street.mp4', stride=5):
                print(result.time, result)
        """
        check_options(batch_size, pred_score_thr, top_k, max_pixels=max_pixels, stride=stride)
        out_dir = str(out_dir)
        _check_out_dir(out_dir)
        found = find_images(source, recursive)
        skip = _warn if broken is None else broken.append
        batches = self.preprocess(found.items, batch_size, max_pixels, None if found.alone else skip, stride)

        def results() -> Iterator[HOIResult]:  # apart, so that the checks above do not wait for the first result
            for images, preds in self._predict(batches, pred_score_thr, top_k):
                drawings = self.visualize(images, preds, img_out_dir='' if no_save_vis else out_dir)
                pred_out_dir = '' if no_save_pred else out_dir
                yield from self.postprocess(preds, drawings, images=images, pred_out_dir=pred_out_dir)['predictions']

        return results()

    def detect(
        self, images: Sequence[LoadedImage], pred_score_thr: float = DEFAULT_SCORE_THR, top_k: int | None = None
    ) -> list[HOIResult]:
        """Detects the interactions in one batch of loaded images, for programs that load images themselves.

        Args:
            images (Sequence[LoadedImage]): The images, at least one. Those of other sizes than the largest one are padded.
            pred_score_thr (float): As in :meth:`__call__`.
            top_k (int, optional): As in :meth:`__call__`.

        Returns:
            list[HOIResult]: The result of each image.

        Raises:
            ValueError: If an image is too small to be prepared, or the output of the model is not finite.
        """
        samples = self.forward(self.collate_fn([self._prepare(image) for image in images]))
        return [
            self._result(select_triplets(sample.cpu(), image, pred_score_thr, top_k), image)
            for sample, image in zip(samples, images, strict=True)
        ]

    def _predict(
        self, batches: Iterable[tuple[list[LoadedImage], Any]], pred_score_thr: float, top_k: int | None
    ) -> Iterator[tuple[list[LoadedImage], list[HOIDataSample]]]:
        """Yields the images of each batch of :meth:`preprocess` and their selected triplets."""
        new_classes = NewClassScores(self.model.readings)
        for images, data in batches:
            samples = new_classes.watch(self.forward(data))
            yield (
                images,
                [
                    select_triplets(sample.cpu(), image, pred_score_thr, top_k)
                    for sample, image in zip(samples, images, strict=True)
                ],
            )
        new_classes.log(pred_score_thr)

    def preprocess(
        self,
        inputs: Iterable[ImageInput],
        batch_size: int = 1,
        max_pixels: int = MAX_PIXELS,
        skip: Callable[[dict[str, str]], None] | None = None,
        stride: int = 1,
    ) -> Iterator[tuple[list[LoadedImage], Any]]:
        """Loads images and makes batches.

        Args:
            inputs (Iterable): Images and videos, such as the ``items`` of :func:`~genvlkt_mmdet.apis.sources.find_images`.
            batch_size (int): As in :meth:`__call__`.
            max_pixels (int): As in :meth:`__call__`.
            skip (Callable, optional): Is called for each input that cannot be read, with an entry of ``broken`` of
                :meth:`__call__`. None: an error is raised instead.
            stride (int): As in :meth:`__call__`.

        Yields:
            tuple: The loaded images, and the batch for ``model.test_step``.
        """

        def prepared() -> Iterator[tuple[LoadedImage, Any]]:
            for item, name in named(inputs):
                try:
                    for image in load_images(item, name, stride, max_pixels):
                        yield image, self.prepare(image)
                except (ValueError, OSError) as error:
                    if skip is None:
                        raise
                    skip(dict(image=str(item) if isinstance(item, (str, int)) else name, error=str(error)))

        for chunk in self._get_chunk_data(prepared(), batch_size):
            images, data = zip(*chunk, strict=True)
            yield list(images), self.collate_fn(list(data))

    def prepare(self, image: LoadedImage) -> Any:
        """Runs the test pipeline of the config on an image. ``collate_fn`` makes a batch of several results.

        Raises:
            ValueError: If the pipeline cannot prepare an image of this size.
        """
        try:
            return self.pipeline(dict(img=image.pixels))
        except Exception as error:  # e.g. one of mmcv's transforms makes a side of zero pixels
            height, width = image.pixels.shape[:2]
            raise ValueError(
                f"Image '{image.path or image.name}' has {width} x {height} pixels, which the test pipeline of the config "
                f'cannot prepare ({type(error).__name__}: {one_line(error)}).'
            ) from error

    def visualize(
        self,
        inputs: Sequence[LoadedImage],
        preds: Sequence[HOIDataSample],
        show: bool = False,
        wait_time: float = 0,
        return_vis: bool = False,
        img_out_dir: str = '',
    ) -> list[np.ndarray]:
        """Draws predictions.

        Args:
            inputs (Sequence): Loaded images.
            preds (Sequence[HOIDataSample]): Their predictions to draw.
            show (bool): As in :meth:`__call__`.
            wait_time (float): As in :meth:`__call__`.
            return_vis (bool): As in :meth:`__call__`.
            img_out_dir (str): Drawings are written to ``vis`` in this folder. Empty: none.

        Returns:
            list[np.ndarray]: ``visualization`` of :meth:`__call__`.
        """
        drawings = []
        self.visualizer.dataset_meta = self.model.dataset_meta  # changes with `model.set_vocabulary`
        if show or return_vis or img_out_dir:
            for image, pred in zip(inputs, preds, strict=True):
                self.visualizer.add_datasample(
                    image.name,
                    image.pixels[..., ::-1],
                    pred,
                    draw_gt=False,
                    pred_score_thr=-1.0,  # `preds` has only the triplets to draw
                    show=show,
                    wait_time=wait_time,
                    out_file=osp.join(img_out_dir, 'vis', image.name) if img_out_dir else None,
                )
                if return_vis:
                    drawings.append(self.visualizer.get_image())
        return drawings

    def postprocess(
        self,
        preds: Sequence[HOIDataSample],
        visualization: list[np.ndarray],
        return_datasamples: bool = False,
        images: Sequence[LoadedImage] = (),
        pred_out_dir: str = '',
        print_result: bool = False,
    ) -> dict[str, list]:
        """Converts predictions to plain containers and writes them.

        Args:
            preds (Sequence[HOIDataSample]): Predictions.
            visualization (list[np.ndarray]): Drawings of :meth:`visualize`.
            return_datasamples (bool): As in :meth:`__call__`.
            images (Sequence): The loaded images of ``preds``.
            pred_out_dir (str): JSON files are written to ``preds`` in this folder. Empty: none.
            print_result (bool): As in :meth:`__call__`.

        Returns:
            dict[str, list]: ``images``, ``predictions`` and ``visualization`` of :meth:`__call__`.
        """
        results = [self._result(pred, image) for pred, image in zip(preds, images, strict=True)]
        for image, result in zip(images, results, strict=True):
            if pred_out_dir:
                file = Path(pred_out_dir, 'preds', f'{osp.splitext(image.name)[0]}.json')
                write_file(file, result.to_json(indent=1).encode())
            if print_result:
                print(result.to_dict())
        return dict(
            images=[image.path for image in images],
            predictions=list(preds) if return_datasamples else results,
            visualization=visualization,
        )

    def _result(self, pred: HOIDataSample, image: LoadedImage) -> HOIResult:
        height, width = image.pixels.shape[:2]
        return HOIResult(
            self.pred2list(pred),
            image=image.path,
            width=width,
            height=height,
            frame=image.frame,
            time=image.time,
            pixels=image.pixels,
            object_names=self.vocabulary.object_names,
            hoi_labels=pred.pred_hois.hoi_labels.tolist(),
        )

    def pred2list(self, data_sample: HOIDataSample) -> list[dict[str, Any]]:
        """Converts predicted triplets to plain containers that can be written as JSON.

        Args:
            data_sample (HOIDataSample): Sample with ``pred_hois`` and ``ori_shape``.

        Returns:
            list[dict]: An entry of ``predictions``, see :meth:`__call__`.
        """
        hois, vocabulary = data_sample.pred_hois.cpu(), self.vocabulary
        height, width = data_sample.ori_shape[:2]
        limits = np.array([width, height, width, height])
        humans, objects = (
            np.clip(boxes.double().numpy(), 0, limits) for boxes in (hois.human_boxes, hois.object_boxes)
        )
        triplets = []
        for human, obj, label, score, query in zip(
            humans, objects, hois.hoi_labels.tolist(), hois.scores.tolist(), hois.query_ids.tolist(), strict=True
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
                    confidence=max(0.0, score - 1),
                    query=query,
                )
            )
        return triplets

    @property
    def vocabulary(self) -> HOIVocabulary:
        """HOIVocabulary: The vocabulary of the model's classes."""
        return load_vocabulary(self.model.dataset_meta['vocabulary'])

    def _init_model(self, cfg: Config, weights: str, device: str) -> nn.Module:
        if self._exported is not None:
            cfg.update(self._exported.cfg.to_dict())
            return self._exported
        checkpoint = load_checkpoint(weights)
        if not cfg:
            cfg.update(read_embedded_config(checkpoint, weights, self._trust_config).to_dict())
        if not isinstance(cfg.get('model'), Mapping) or 'test_dataloader' not in cfg:
            raise ValueError('The config describes no model with a test set: it needs model and test_dataloader.')
        model = explained(lambda: MODELS.build(cfg.model), 'model')
        if not isinstance(model, GENVLKT):
            raise ValueError(f'The config describes a {type(model).__name__}, but HOIInferencer runs a GENVLKT.')
        model.cfg = cfg
        load_weights(model, checkpoint, weights, config_name(cfg))
        own = model.bbox_head.trained_vocabulary
        meta = dataset_meta(checkpoint)  # `load_weights` has compared its classes
        if 'vocabulary' in meta:
            model.dataset_meta = dict(meta, vocabulary=load_vocabulary(meta['vocabulary']))
        else:
            model.dataset_meta = dict(
                classes=tuple(own.object_names), vocabulary=own, zero_shot=model.bbox_head.zero_shot
            )
        return model.to(device).eval()

    def _init_collate(self, cfg: Config) -> Callable:
        # mmengine looks for a scope, which collate functions do not have, and warns
        own = cfg.test_dataloader.get('collate_fn', dict(type='pseudo_collate'))
        return pseudo_collate if own.get('type') in ('pseudo_collate', 'hoi_collate') else super()._init_collate(cfg)

    def _init_pipeline(self, cfg: Config) -> Compose:
        """The test pipeline without loading of files and annotations."""

        def build() -> Compose:
            pipeline = inference_pipeline(cfg.test_dataloader)
            names = [getattr(step['type'], '__name__', step['type']).rsplit('.', 1)[-1] for step in pipeline]
            kept = [deepcopy(step) for step, name in zip(pipeline, names, strict=True) if not name.startswith('Load')]
            return Compose([dict(type='LoadImageFromNDArray'), *kept])

        return explained(build, 'test_dataloader.dataset.pipeline')

    def _init_visualizer(self, cfg: Config) -> HOIVisualizer:
        # Without the config's backends, which need a folder: the call says where to write drawings.
        config = dict(cfg.get('visualizer', dict(type='HOIVisualizer')), vis_backends=None)
        visualizer = explained(
            lambda: super(HOIInferencer, self)._init_visualizer(Config(dict(visualizer=config))), 'visualizer'
        )
        visualizer.dataset_meta = self.model.dataset_meta
        return visualizer


@contextmanager
def _embedded(weights: str) -> Iterator[None]:
    """Turns any error while an embedded config is built into a CheckpointError with one sentence."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, ConfigError) and isinstance(error, (ValueError, OSError, torch.OutOfMemoryError)):
            raise
        raise CheckpointError(f"What the config in '{weights}' describes cannot be built: {one_line(error)}") from error


def _check_exported_options(file: str, model: Any, device: str | None, dtype: str, compile: bool | str) -> None:
    """Refuses settings that an exported model cannot follow."""
    for name, wrong, advice in (
        ('model', model is not None, 'it carries its config: leave model out'),
        ('device', device not in (None, 'cpu'), 'it runs on the CPU: leave device out, or take the checkpoint'),
        (
            'dtype',
            not takes_dtype(file, dtype),
            'only OpenVINO computes in another type than float32, bfloat16: leave it out',
        ),
        ('compile', bool(compile), 'it is compiled already: leave compile out'),
    ):
        if wrong:
            raise ValueError(f'{name} cannot be set for an exported model: {advice}.')


def check_options(
    batch_size: int = 1,
    pred_score_thr: float = DEFAULT_SCORE_THR,
    top_k: int | None = None,
    wait_time: float = 0,
    max_pixels: int = MAX_PIXELS,
    stride: int = 1,
) -> None:
    """Checks the numeric arguments of :meth:`HOIInferencer.__call__`.

    Raises:
        ValueError: If one has another type, is not finite, or is out of range.
    """
    for name, value in (
        ('batch_size', batch_size),
        ('top_k', 1 if top_k is None else top_k),
        ('max_pixels', max_pixels),
        ('stride', stride),
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


def _warn(item: dict[str, str]) -> None:
    """Logs that an input is skipped."""
    print_log(f'Skipped: {item["error"]}', 'current', logging.WARNING)


def select_triplets(
    sample: HOIDataSample, image: LoadedImage, pred_score_thr: float, top_k: int | None
) -> HOIDataSample:
    """Keeps the triplets above the threshold, at most ``top_k``, highest score first."""
    hois = sample.pred_hois
    hois = hois[hois.scores > pred_score_thr]
    sample.pred_hois = hois[hois.scores.argsort(descending=True, stable=True)[:top_k]]
    sample.set_metainfo(dict(img_path=image.path))
    return sample
