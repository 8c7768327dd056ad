"""A detector that was exported: what travels in its file, and the model that runs it."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from ..engine import embed_config, inference_pipeline, one_line, read_embedded_config, registered_names_only
from ..files import names_file
from ..models import GENVLKT, TextClassifier, TopHOITriplets, VerbHOITriplets
from ..models.dense_heads import VerbGENHead
from ..models.layers.classifier import encode_new_classes, log_readings
from ..models.vlkt import CLIPSetting
from ..structures import HOIDataSample
from ..structures.selection import TripletNMS, TripletSelection, select_triplets
from ..version import __version__
from ..vocabulary import HOIEntry, HOIReading, HOIVocabulary, OpenVocabulary, open_vocabulary
from .formats import SUFFIXES, Session, open_session, write_program
from .network import INPUTS, OUTPUTS, ExportableNetwork

_WEIGHTS = INPUTS[2:]  # class weights
_VERSION = 1


def is_exported(file: Any) -> bool:
    """Whether this is the name of an exported model, by its suffix.

    Example:
        >>> is_exported('model.onnx'), is_exported('model.pth')
        (True, False)
    """
    return isinstance(file, (str, Path)) and str(file).lower().endswith(tuple(SUFFIXES.values()))


def write_exported(model: GENVLKT, cfg: Config, file: str | Path, format: str) -> None:
    """Exports a model. See :func:`genvlkt_mmdet.apis.export_model`.

    Args:
        model (GENVLKT): The model, in float32 on the CPU, with ``dataset_meta``.
        cfg (Config): Its config.
        file (str | Path): The file to write.
        format (str): 'onnx', 'openvino' or 'pt2'.

    Raises:
        ValueError: If the network reads CLIP's image as well.
    """
    if model.bbox_head.reads_clip_images:
        raise ValueError(
            f'A model with a {type(model.bbox_head).__name__} cannot be exported, because its network also reads the image that '
            'CLIP sees, for which exported files have no input: run the checkpoint itself.'
        )
    weights = class_weights(model)
    metadata = dict(
        version=_VERSION,
        genvlkt=__version__,
        **_embedded(model, cfg),
        text_classifiers=[isinstance(c, TextClassifier) for c in _classifiers(model)],
        class_weights={name: _encoded(value) for name, value in weights.items()},
    )
    write_program(trace_network(model, weights), format, Path(file), json.dumps(metadata), weights)


def trace_network(model: GENVLKT, weights: Mapping[str, np.ndarray]) -> torch.export.ExportedProgram:
    """Traces the network for any batch size, image size and number of classes.

    Args:
        model (GENVLKT): The model, in float32 on the CPU.
        weights (Mapping): Its class weights, by the names in INPUTS.

    Returns:
        ExportedProgram: The program.
    """
    dim = torch.export.Dim
    hois, objects, batch = dim('hois'), dim('objects'), dim('batch')
    # Sizes that are no multiples of anything and differ from each other, so that the graph holds for every size. The class
    # weights are copies: a weight of the network itself would be written as a constant.
    images, sizes = torch.zeros(2, 3, 131, 97), torch.tensor([[131, 97], [120, 90]])
    with torch.no_grad():
        return torch.export.export(
            ExportableNetwork(model).eval(),
            (images, sizes, *(torch.from_numpy(value.copy()) for value in weights.values())),
            dynamic_shapes=dict(
                images={0: batch, 2: dim.DYNAMIC, 3: dim.DYNAMIC},
                image_sizes={0: batch},
                hoi_weight={0: hois},
                hoi_bias={0: hois},
                obj_weight={0: objects},
                obj_bias={0: objects},
            ),
        )


def _classifiers(model: GENVLKT) -> tuple[Any, Any]:
    return model.bbox_head.hoi_classifier, model.bbox_head.obj_classifier


def class_weights(model: GENVLKT) -> dict[str, np.ndarray]:
    """Weights and biases of the classes of the training, by their names among the inputs of the network.

    Args:
        model (GENVLKT): The model, on the CPU.

    Returns:
        dict[str, np.ndarray]: float32, one row per HOI class or object logit.
    """
    head = model.bbox_head
    hois, objects = ([value.detach() for value in c.class_weights] for c in _classifiers(model))
    if isinstance(head, VerbGENHead):  # the logit of an HOI class is that of its verb
        hois = [value[head.hoi_verbs] for value in hois]
    return {name: value.float().numpy() for name, value in zip(_WEIGHTS, [*hois, *objects], strict=True)}


def _embedded(model: GENVLKT, cfg: Config) -> dict[str, Any]:
    """Config and classes, in the layout of the ``meta`` of a checkpoint. Of the config, only what inference needs."""
    parts = {key: cfg.model[key] for key in ('data_preprocessor', 'test_cfg') if cfg.model.get(key)}
    clip = getattr(model.bbox_head.hoi_classifier, 'clip', None)
    kept = Config(
        dict(
            model=dict(type='GENVLKT', clip=clip and dict(clip), **parts),
            test_dataloader=dict(dataset=dict(pipeline=inference_pipeline(cfg.test_dataloader))),
            visualizer=dict(cfg.get('visualizer') or dict(type='HOIVisualizer'), vis_backends=None),
        )
    )
    meta: dict[str, Any] = {}
    embed_config(dict(meta=meta), kept)
    if not meta:
        raise ValueError(
            'The config cannot be exported: its test pipeline, data_preprocessor or test_cfg is no plain data.'
        )
    vocabulary = model.bbox_head.trained_vocabulary
    return dict(meta, dataset_meta=dict(vocabulary=vocabulary.to_dict(), zero_shot=model.bbox_head.zero_shot))


class ExportedModel(BaseModel):
    """A detector that runs from an exported file. It is used like a :class:`GENVLKT` in eval mode.

    Args:
        file (str | Path): A file of :func:`genvlkt_mmdet.apis.export_model`.
        trust (bool): Whether the file may be of a kind that can run code, ``.pt2``. Defaults to False.
        dtype (str): Precision: 'auto' and 'float32', or, with OpenVINO, 'bfloat16'. Defaults to 'float32'.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the library that runs it is not installed.
        ValueError: If the file is damaged, was not made by :func:`export_model`, or is not trusted.

    Attributes:
        cfg (Config): The parts of the config that inference needs.
        clip (dict, optional): Setting of the CLIP model that encodes new phrases.
        dataset_meta (dict): ``vocabulary`` and ``classes``.
        readings (tuple[HOIReading]): How the entries of an open vocabulary were read. Empty without one.
        selection (TripletSelection): Which triplets are kept.
    """

    def __init__(self, file: str | Path, trust: bool = False, dtype: str = 'float32') -> None:
        file = str(file)
        if not Path(file).is_file():
            raise FileNotFoundError(f"The exported model '{file}' does not exist: check its path.")
        if file.lower().endswith('.pt2') and not trust:
            raise ValueError(
                f"'{file}' is not opened: PyTorch's format can run code of its author. If you trust the file, say "
                'trust_config=True (--trust-config); ONNX and OpenVINO need no trust.'
            )
        self._session, meta = _opened(file, dtype)
        advice = 'export the model again with genvlkt export'
        with registered_names_only(), names_file(file, advice):
            self.cfg = read_embedded_config(dict(meta=meta), file, remedy=advice)
            settings = self.cfg.model
            super().__init__(MODELS.build(settings.get('data_preprocessor') or dict(type='HOIDataPreprocessor')))
            self.selection = _selection(settings.get('test_cfg') or {})
            self.clip = settings.get('clip')
            self._text = meta['text_classifiers']
            # not a name, which could be that of a file
            self.trained_vocabulary = HOIVocabulary.from_dict(dict(meta['dataset_meta']['vocabulary']))
            self._trained = _decoded_weights(meta['class_weights'], self.trained_vocabulary)
            self._zero_shot = meta['dataset_meta'].get('zero_shot')
        self._file = file
        self.reset_vocabulary()
        self.eval()

    def reset_vocabulary(self) -> None:
        """Predicts the classes of the training, as :meth:`GENVLKT.reset_vocabulary`."""
        self._use(self.trained_vocabulary, self._trained, ())

    def set_vocabulary(
        self, hois: Sequence[HOIEntry] | OpenVocabulary, clip: CLIPSetting | None = None
    ) -> tuple[HOIReading, ...]:
        """Predicts other HOI classes, see :meth:`GENVLKT.set_vocabulary`. CLIP encodes new phrases here and now."""
        opened = open_vocabulary(self.trained_vocabulary, hois)
        extends_objects = None in opened.trained_objects
        if not self._text[0] or (extends_objects and not self._text[1]):
            raise ValueError('An open vocabulary needs text classifiers: this model has others.')
        width = self._trained['hoi_weight'].shape[1]
        new_hois, new_objects = encode_new_classes(opened, clip or self.clip, width)
        weights = dict(self._trained)
        weights.update(_extended(weights, 'hoi', opened.trained_hois, new_hois, None))
        if self._text[1]:
            biases = self.trained_vocabulary.num_objects
            weights.update(_extended(weights, 'obj', opened.trained_objects, new_objects, biases))
        log_readings(opened.readings)
        self._use(opened.vocabulary, weights, opened.readings)
        return opened.readings

    def _use(
        self, vocabulary: HOIVocabulary, weights: Mapping[str, np.ndarray], readings: tuple[HOIReading, ...]
    ) -> None:
        self.readings = readings
        self._weights = weights
        self._hoi_objects, self._hoi_verbs = np.array(vocabulary.hoi_objects), np.array(vocabulary.hoi_verbs)
        self.dataset_meta = dict(classes=vocabulary.object_names, vocabulary=vocabulary, zero_shot=self._zero_shot)

    def forward(
        self, inputs: Tensor, data_samples: Sequence[HOIDataSample], mode: str = 'predict'
    ) -> list[HOIDataSample]:
        """Fills ``pred_hois`` of every sample.

        Args:
            inputs (Tensor): Normalised images, padded right and below, (B, 3, H, W).
            data_samples (Sequence[HOIDataSample]): Samples with ``img_shape`` and ``ori_shape``.
            mode (str): 'predict', the only one.
        """
        outputs = self.run_network(inputs.numpy(), image_sizes(data_samples))
        if not all(np.isfinite(value).all() for value in outputs.values()):
            raise ValueError(f"The output of '{self._file}' is not finite (NaN or infinity): its weights are damaged.")
        for i, sample in enumerate(data_samples):
            found = self.select({name: value[i] for name, value in outputs.items()}, sample.ori_shape[:2])
            sample.pred_hois = InstanceData(**{key: torch.from_numpy(value) for key, value in found.items()})
        return list(data_samples)

    def select(self, outputs: Mapping[str, np.ndarray], size: tuple[int, int]) -> dict[str, np.ndarray]:
        """Triplets of one image, see :func:`~genvlkt_mmdet.structures.selection.select_triplets`."""
        no_object = self.dataset_meta['vocabulary'].no_object
        return select_triplets(outputs, size, self._hoi_objects, self._hoi_verbs, no_object, self.selection)

    def run_network(self, images: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
        """Runs the network with the class weights of the present vocabulary.

        Args:
            images (np.ndarray): As ``inputs`` of :meth:`forward`, float32.
            sizes (np.ndarray): Height and width of each image without its padding, (B, 2) int64.

        Returns:
            dict[str, np.ndarray]: See :meth:`ExportableNetwork.forward`.
        """
        return dict(zip(OUTPUTS, self._session(self.network_inputs(images, sizes)), strict=True))

    def network_inputs(self, images: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
        """All inputs of the network by name. Arguments as of :meth:`run_network`."""
        return dict(images=np.ascontiguousarray(images), image_sizes=sizes, **self._weights)


def image_sizes(data_samples: Sequence[HOIDataSample]) -> np.ndarray:
    """Height and width of each image without its padding, (B, 2) int64."""
    return np.array([sample.img_shape[:2] for sample in data_samples], dtype=np.int64)


def _opened(file: str, dtype: str) -> tuple[Session, dict[str, Any]]:
    """The session, and the metadata as a dict."""
    try:
        session, text = open_session(file, torch.get_num_threads(), dtype)
    except ImportError:
        raise
    except Exception as error:  # the libraries raise almost anything
        raise ValueError(
            f"'{file}' cannot be opened as an exported model ({one_line(error)[:120]}): it is damaged, or another kind of file."
        ) from error
    advice = 'genvlkt opens only models that `genvlkt export` has written'
    if text is None:
        raise ValueError(f"'{file}' was not exported by genvlkt: {advice}.")
    with names_file(file, advice):
        meta = json.loads(text)
        if not isinstance(meta, dict) or meta.get('version') != _VERSION:
            raise ValueError(f"'{file}' was exported by another version of genvlkt: export the model again.")
        text_classifiers = meta['text_classifiers']
        if not isinstance(text_classifiers, list) or [type(value) for value in text_classifiers] != [bool, bool]:
            raise TypeError('text_classifiers')
    return session, meta


def _selection(test_cfg: Mapping[str, Any]) -> TripletSelection:
    selector = TASK_UTILS.build(dict(dict(type='TopHOITriplets'), **test_cfg))
    if type(selector) not in (TopHOITriplets, VerbHOITriplets):
        raise ValueError(f'an exported model cannot select triplets with a {type(selector).__name__}')
    nms = selector.nms and TripletNMS(selector.nms.iou_threshold, selector.nms.human_power, selector.nms.object_power)
    return TripletSelection(getattr(selector, 'max_per_img', None), nms or None)


def _encoded(value: np.ndarray) -> dict[str, Any]:
    data = np.ascontiguousarray(value, dtype='<f4').tobytes()
    return dict(shape=list(value.shape), float32=base64.b64encode(data).decode())


def _decoded_weights(values: Mapping[str, Any], vocabulary: HOIVocabulary) -> dict[str, np.ndarray]:
    """The class weights, after a check of their sizes."""
    rows = dict(hoi=vocabulary.num_hois, obj=vocabulary.num_object_logits)
    weights = {}
    for name in _WEIGHTS:
        data = np.frombuffer(base64.b64decode(values[name]['float32'], validate=True), dtype='<f4')
        weight = data.astype(np.float32).reshape(values[name]['shape'])
        wanted = 2 if name.endswith('weight') else 1
        if weight.ndim != wanted or len(weight) != rows[name[:3]] or not np.isfinite(weight).all():
            raise ValueError(f'{name} does not fit the vocabulary')
        weights[name] = weight
    return weights


def _extended(
    weights: Mapping[str, np.ndarray],
    part: str,
    classes: Sequence[int | None],
    embeddings: Tensor,
    num_bias_classes: int | None,
) -> dict[str, np.ndarray]:
    """The class weights of an open vocabulary, as of :meth:`TextClassifier.extend`."""
    weight, bias = weights[f'{part}_weight'], weights[f'{part}_bias']
    if embeddings.shape[1] != weight.shape[1]:
        raise ValueError(
            f'The text embeddings of new classes have {embeddings.shape[1]} numbers, the classifier takes {weight.shape[1]}: '
            'they must come from the CLIP model that it was trained with.'
        )
    new = iter(torch.nn.functional.normalize(embeddings, dim=-1).numpy())
    new_bias = bias[:num_bias_classes].mean()
    rows = [(next(new), new_bias) if known is None else (weight[known], bias[known]) for known in classes]
    return {
        f'{part}_weight': np.stack([row for row, _ in rows]),
        f'{part}_bias': np.array([value for _, value in rows], dtype=np.float32),
    }
