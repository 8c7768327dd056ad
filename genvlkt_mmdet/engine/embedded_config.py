"""The config inside a checkpoint: written as data, and read without running code from it.

mmengine stores the config in a checkpoint as Python text, and reads it by running that text. Here, the config is also stored as
JSON. In older checkpoints, the text is parsed as literals. The names that a config may use are limited, because even a config
that is only data can make mmengine import a module or build an object that runs code.
"""

import ast
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mmengine.registry.registry
from mmengine.config import Config

from .checkpoints import CheckpointError, checkpoint_meta
from .explanation import registries
from .preflight import dataset_leaves

# The key in a checkpoint's `meta`.
JSON_KEY = 'cfg_json'
_TUPLE = '__tuple__'
_MAX_DEPTH = 50

# Modules that `custom_imports` of an embedded config may name.
_IMPORTS = ('genvlkt_mmdet', 'mmdet')
# Modules that the classes of an embedded config may come from. Their arguments are numbers, names and further configs, and no
# argument is run as code. Excluded are, for example, mmdet's tracking parts, one of which evaluates its argument as Python, and
# detectors that open another config file.
_PACKAGES = (
    'genvlkt_mmdet.',
    'mmdet.models.backbones.',
    'mmdet.models.necks.',
    'mmdet.models.data_preprocessors.',
    'mmdet.models.losses.',
    'mmdet.datasets.transforms.',
    'mmcv.transforms.',
    'mmengine.utils.dl_utils.parrots_wrapper.',
    'torch.nn.modules.',
)
# Settings, besides `type`, whose value is looked up in a registry.
_NAMING_KEYS = ('type', 'resize_type', 'conv_type')
# Registered names in earlier checkpoints and their present ones.
_RENAMED = {
    'ColorJitter': 'HOIColorJitter',
    'ResizeShortSide': 'HOIResizeShortSide',
    'TopTriplets': 'TopHOITriplets',
    'VerbTriplets': 'VerbHOITriplets',
    'TripletNMS': 'HOITripletNMS',
    'ObjectClassCost': 'HOIObjectClassCost',
    'PairL1Cost': 'HOIPairL1Cost',
    'PairGIoUCost': 'HOIPairGIoUCost',
    'RandomTextGENHead': 'GENHead',
}
_REFUSED = "The config in '{}' is not used, since it {}: {}."
_TRUST = 'give the config as a file (--model), or, if you trust whoever made the checkpoint, use --trust-config'
_DAMAGED = "The config in '{}' is damaged: {}; {}."
_GIVE = 'give it as model=... (--model)'


def embed_config(checkpoint: Mapping[str, Any], cfg: Config) -> None:
    """Adds a config as JSON to the ``meta`` of a checkpoint before it is saved.

    ``checkpoint['meta']['cfg_json']`` is set, unless the config contains more than plain data, e.g. a class. A training that was
    resumed would also hand on the Python text of the checkpoint that it started from; the text of this config takes its place.

    Args:
        checkpoint (Mapping): The checkpoint.
        cfg (Config): The config of the training.
    """
    info = checkpoint.get('message_hub', {}).get('runtime_info', {})
    if 'cfg' in info:
        info['cfg'] = cfg.pretty_text
    try:
        checkpoint['meta'][JSON_KEY] = json.dumps(_tag_tuples(cfg.to_dict()))
    except (TypeError, ValueError):
        return


def read_embedded_config(
    checkpoint: Mapping[str, Any], file: str, trust: bool = False, remedy: str | None = None
) -> Config:
    """Reads the parts of the config inside a checkpoint that inference needs.

    Args:
        checkpoint (Mapping): What the file holds.
        file (str): The file's name, for messages.
        trust (bool): Whether to read it like mmengine: its Python text is run and its ``custom_imports`` are imported, without
            limits.
        remedy (str, optional): What to do about a config that cannot be used, for messages. None: what helps with a checkpoint.

    Returns:
        Config: With ``trust`` the full config. Otherwise ``model``, the test pipeline and ``visualizer``. All classes in them
        are from this package, from a part of mmdet or mmcv that runs no text, or from ``torch.nn``.

    Raises:
        CheckpointError: If there is no config, if it cannot be read, or if it is refused without ``trust``.
    """
    text = _embedded_text(checkpoint)
    data = None if trust else _embedded_json(checkpoint, file, remedy or _GIVE)
    if text is None and data is None:
        given = 'give the config it was trained with as model=... (--model)'
        raise CheckpointError(f"'{file}' carries no config: {remedy or given}.")
    if trust:
        try:
            return Config(_with_present_settings(Config.fromstring(text, file_format='.py').to_dict()))
        except Exception as error:  # it is a program, and may fail in any way
            raise CheckpointError(f"The config in '{file}' does not run: {type(error).__name__}: {error}") from error
    try:
        return _restricted(_with_present_settings(_parse(text, file) if data is None else data))
    except _NotAllowed as error:
        raise CheckpointError(_REFUSED.format(file, error, remedy or _TRUST)) from None
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(f"'{file}': {error}") from error


@contextmanager
def registered_names_only() -> Iterator[None]:
    """Context in which mmengine's registries do not import modules for unknown names.

    Otherwise, a registry imports an unknown name as a module, e.g. from the current folder.
    """
    original = mmengine.registry.registry.get_object_from_string
    mmengine.registry.registry.get_object_from_string = lambda name: None
    try:
        yield
    finally:
        mmengine.registry.registry.get_object_from_string = original


class _NotAllowed(Exception):
    """An embedded config does something that is not allowed. The message is the end of a sentence."""


def _embedded_text(checkpoint: Mapping[str, Any]) -> str | None:
    """The Python text of the config, where mmengine stores it."""
    for keys in (('message_hub', 'runtime_info', 'cfg'), ('meta', 'cfg')):
        value: Any = checkpoint
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            return value
    return None


def _embedded_json(checkpoint: Mapping[str, Any], file: str, remedy: str) -> dict[str, Any] | None:
    value = checkpoint_meta(checkpoint).get(JSON_KEY)
    if value is None:
        return None
    try:
        data = _untag_tuples(json.loads(value))
        if not isinstance(data, dict):
            raise TypeError('not a dict')
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(_DAMAGED.format(file, 'it is no valid JSON of a dict', remedy)) from error
    return data


def _tag_tuples(value: Any) -> Any:
    """Marks tuples, which JSON does not have and mmcv distinguishes from lists."""
    if isinstance(value, dict):
        if any(not isinstance(key, str) for key in value):
            raise TypeError('JSON has no keys but strings')
        return {key: _tag_tuples(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return {_TUPLE: [_tag_tuples(item) for item in value]}
    return [_tag_tuples(item) for item in value] if isinstance(value, list) else value


def _untag_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_TUPLE} and isinstance(value[_TUPLE], list):
            return tuple(_untag_tuples(item) for item in value[_TUPLE])
        return {key: _untag_tuples(item) for key, item in value.items()}
    return [_untag_tuples(item) for item in value] if isinstance(value, list) else value


def _parse(text: str, file: str) -> dict[str, Any]:
    """The settings of a config text that assigns literals to names, as mmengine's ``pretty_text`` does."""
    settings = {}
    try:
        for statement in ast.parse(text).body:
            names = statement.targets if isinstance(statement, ast.Assign) else []
            if len(names) != 1 or not isinstance(names[0], ast.Name):
                raise _NotAllowed(f'does more in line {statement.lineno} than to assign a value to a name')
            value = _DictCalls().visit(statement.value)
            try:
                settings[names[0].id] = ast.literal_eval(value)
            except ValueError:
                raise _NotAllowed(f'has an expression in line {value.lineno} that is no plain value') from None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise CheckpointError(_DAMAGED.format(file, 'it cannot be parsed', _GIVE)) from error
    return settings


class _DictCalls(ast.NodeTransformer):
    """Makes ``dict(a=1)`` and ``dict({'a.b': 1})``, which mmengine writes, a literal. Refuses any other call."""

    def visit_Call(self, node: ast.Call) -> ast.Dict:
        plain = isinstance(node.func, ast.Name) and node.func.id == 'dict' and len(node.args) <= 1
        if (
            not plain
            or not all(isinstance(arg, ast.Dict) for arg in node.args)
            or any(keyword.arg is None for keyword in node.keywords)
        ):
            raise _NotAllowed(f'calls more than dict() in line {node.lineno}')
        made = ast.Dict(
            [*(key for arg in node.args for key in arg.keys), *(ast.Constant(k.arg) for k in node.keywords)],
            [*(value for arg in node.args for value in arg.values), *(k.value for k in node.keywords)],
        )
        return self.generic_visit(ast.copy_location(made, node))


def _with_present_settings(data: dict[str, Any]) -> dict[str, Any]:
    """The config with the settings and names of this version, whatever version wrote it."""
    model = data.get('model')
    head = model.get('bbox_head') if isinstance(model, dict) else None
    if isinstance(head, dict) and 'decoder' in head and 'hoi_classifier' not in head:
        clip = head.pop('clip', None)
        text = dict(type='TextClassifier', clip=clip, clip_dims=head.pop('clip_dims', 512))
        if head.get('type') == 'RandomTextGENHead':
            text['text'] = 'random'
        prior = head.pop('hoi_prior', None)
        head['hoi_classifier'] = (
            dict(text, prior=prior) if head.pop('hoi_text', True) else dict(type='LinearClassifier', prior=0.01)
        )
        head['obj_classifier'] = text if head.pop('obj_text', True) else dict(type='LinearClassifier')
        if isinstance(head.get('loss_mimic'), dict):
            head['loss_mimic'] = dict(dict(clip=clip), **head['loss_mimic'])
    return _with_present_names(data)


def _with_present_names(value: Any, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        raise _NotAllowed('is nested too deeply')
    if isinstance(value, dict):
        value = {key: _with_present_names(item, depth + 1) for key, item in value.items()}
        named = {key: value[key] for key in _NAMING_KEYS if isinstance(value.get(key), str)}
        return value | {key: _RENAMED.get(name, name) for key, name in named.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_with_present_names(item, depth + 1) for item in value)
    return value


def _restricted(data: dict[str, Any]) -> Config:
    """The parts for inference, after a check of all names in them."""
    _import_allowed(data.get('custom_imports'))
    model = data.get('model')
    if not isinstance(model, dict) or 'type' not in model:
        raise _NotAllowed('describes no model')
    loader = data.get('test_dataloader')
    if not isinstance(loader, dict):
        raise _NotAllowed('has no test_dataloader')
    collate = loader.get('collate_fn', 'pseudo_collate')
    if (collate.get('type') if isinstance(collate, dict) else collate) not in ('pseudo_collate', 'hoi_collate'):
        raise _NotAllowed('names a collate function')
    visualizer = data.get('visualizer') or dict(type='HOIVisualizer')
    if not isinstance(visualizer, dict) or visualizer.get('type') != 'HOIVisualizer':
        raise _NotAllowed('names a visualizer other than HOIVisualizer')
    visualizer = {key: value for key, value in visualizer.items() if key != 'vis_backends'}
    pipeline = inference_pipeline(loader)
    for part in (model, pipeline, visualizer):
        _check(part)
    loader = dict(dataset=dict(pipeline=pipeline))
    return Config(dict(model=model, test_dataloader=loader, visualizer=visualizer))


def inference_pipeline(loader: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the transforms of a dataloader's dataset, also inside wrappers such as ``ConcatDataset``.

    Args:
        loader (Mapping): Config of a dataloader.

    Returns:
        list[dict]: The transforms.

    Raises:
        ValueError: If there is no pipeline, or wrapped datasets have different ones.
    """
    leaves = [dataset for _, dataset in dataset_leaves(loader.get('dataset'), 'dataset')]
    found = [list(leaf['pipeline']) for leaf in leaves if isinstance(leaf.get('pipeline'), (list, tuple))]
    if not found or not all(isinstance(item, dict) and 'type' in item for item in found[0]):
        raise ValueError(
            "The config's test_dataloader has no dataset with a pipeline of transforms, which inference needs."
        )
    if any(other != found[0] for other in found[1:]):
        raise ValueError(
            'The test sets of the config have different pipelines, so it does not say how an image is to be prepared: '
            'leave one of them in test_dataloader.dataset.'
        )
    return found[0]


def _import_allowed(custom_imports: Any) -> None:
    """Imports modules of this package and of mmdet, and refuses all others."""
    names = custom_imports.get('imports', []) if isinstance(custom_imports, dict) else custom_imports or []
    for name in [names] if isinstance(names, str) else names:
        if not isinstance(name, str) or not re.fullmatch(rf'(?:{"|".join(_IMPORTS)})(?:\.\w+)*', name, re.ASCII):
            raise _NotAllowed(f'imports {name!r}')
        try:
            importlib.import_module(name)
        except ImportError:
            raise _NotAllowed(f'imports {name!r}, which does not exist here') from None


def _check(value: Any, depth: int = 0) -> None:
    """Refuses every name, at any depth, that is not a known class of the allowed packages."""
    if depth > _MAX_DEPTH:
        raise _NotAllowed('is nested too deeply')
    if isinstance(value, dict):
        if any(not isinstance(key, str) for key in value) or '_scope_' in value or '_base_' in value:
            raise _NotAllowed('has a key that is no setting')
        for key in _NAMING_KEYS:
            if key in value:
                _check_name(value[key])
        for item in value.values():
            _check(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check(item, depth + 1)


def _check_name(name: Any) -> None:
    # Not with Registry.get(), which imports a module for an unknown name.
    short = name.removeprefix('mmdet.') if isinstance(name, str) else ''
    found = [registry.module_dict[short] for registry in registries() if short in registry.module_dict]
    if not found:
        raise _NotAllowed(f'names {name!r}, which is no registered class')
    for cls in found:
        module = f'{getattr(cls, "__module__", "")}.'
        if not module.startswith(_PACKAGES):
            raise _NotAllowed(f'names {name!r} of {module[:-1]}')
