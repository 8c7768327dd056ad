"""Every config of the paper, at its own size without weights, and shrunk to be trained here."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from tests.test_models.test_vlkt.conftest import MODEL_CFG, write_model

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
CLIP_SIZE, CLIP_DIMS = MODEL_CFG['vision_cfg']['image_size'], MODEL_CFG['embed_dim']
CHANNELS = 16


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmdet')


@pytest.fixture(scope='session')
def tiny_clip(tmp_path_factory):
    """Folder of a random CLIP; text embeddings are kept beside it."""
    folder = tmp_path_factory.mktemp('clip') / 'tiny'
    write_model(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('GENVLKT_CACHE', str(folder.parent))
        yield folder


def record(name, object_id, hois):
    """An image of 48 x 64 pixels with a person and an object (None: without) in QPIC's layout."""
    boxes = [dict(bbox=[4, 6, 30, 44], category_id=1)]
    if object_id is not None:
        boxes.append(dict(bbox=[22, 10, 56, 40], category_id=object_id))
    return dict(
        file_name=name,
        width=64,
        height=48,
        annotations=boxes,
        hoi_annotation=[
            dict(subject_id=0, object_id=-1 if object_id is None else 1, category_id=verb, hoi_category_id=hoi)
            for verb, hoi in hois
        ],
    )


@pytest.fixture(scope='session')
def toy_data(tmp_path_factory):
    """Folders ``hico`` (five images of noise, four of them with pairs that every zero-shot split sees) and ``vcoco``."""
    root = tmp_path_factory.mktemp('data')
    hico = [
        record('0.png', 2, [(77, 19), (37, 12)]),  # ride and hold a bicycle: unseen in non_rare_first
        record('1.png', 53, [(37, 202)]),  # hold an apple
        record('2.png', 67, [(87, 110)]),  # sit at a dining table
        record('3.png', 17, [(40, 80)]),  # hug a cat
        record('4.png', 53, [(37, 202)]),
    ]
    vcoco = [
        record('0.png', 47, [(0, None)]),  # hold a cup
        record('1.png', None, [(1, None)]),  # stand
        record('2.png', 62, [(2, None)]),  # sit on a chair
        record('3.png', 19, [(3, None)]),  # ride a horse
    ]
    for name, records in (('hico', hico), ('vcoco', vcoco)):
        (root / name).mkdir()
        rng = np.random.default_rng(0)
        for entry in records:
            for hoi in entry['hoi_annotation']:
                if hoi['hoi_category_id'] is None:
                    del hoi['hoi_category_id']
            cv2.imwrite(str(root / name / entry['file_name']), rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        (root / name / 'annotations.json').write_text(json.dumps(records))
    return root


def _shrink_pipeline(transform):
    """Small sizes for every resize and crop of a pipeline, in place."""
    small = dict(
        HOIResizeShortSide=dict(scale=48, max_size=80),
        RandomCrop=dict(crop_size=(32, 44)),
        MakeCLIPImage=dict(size=CLIP_SIZE),
    )
    if isinstance(transform, list):
        for item in transform:
            _shrink_pipeline(item)
    elif transform['type'] == 'RandomChoiceResize':
        transform.update(scales=[40, 48], **(dict(max_size=80) if 'max_size' in transform else {}))
    elif transform['type'] == 'RandomChoice':
        _shrink_pipeline(transform['transforms'])
    else:
        transform.update(small.get(transform['type'], {}))


def shrunk(name, data, clip, work_dir):
    """A config with a narrow ResNet-18, 16 channels, small images, one epoch of two iterations and one evaluation."""
    cfg = Config.fromfile(CONFIGS / name)
    attention = dict(embed_dims=CHANNELS, num_heads=2)
    ffn = dict(embed_dims=CHANNELS, feedforward_channels=16)
    model = cfg.model
    model.backbone.update(depth=18, base_channels=8)
    model.neck.update(in_channels=[64], out_channels=CHANNELS)
    model.encoder.num_layers = 1
    for layer in (model.encoder.layer_cfg, model.bbox_head.decoder.layer_cfg):
        for key in layer:
            layer[key].update(ffn if key == 'ffn_cfg' else attention)
    model.positional_encoding.num_feats = CHANNELS // 2
    model.bbox_head.update(embed_dims=CHANNELS, num_queries=12)
    for classifier in (model.bbox_head.hoi_classifier, model.bbox_head.obj_classifier):
        if classifier.type != 'LinearClassifier':
            classifier.update(clip=dict(model_name=str(clip)), clip_dims=CLIP_DIMS)
    if model.bbox_head.type == 'HOICLIPHead':
        model.bbox_head.clip = dict(model_name=str(clip))
        model.bbox_head.hoi_classifier.verb_embeddings = None
        model.bbox_head.fusion_decoder.layer_cfg.ffn_cfg.feedforward_channels = 16
    if model.bbox_head.loss_mimic is not None:
        model.bbox_head.loss_mimic.clip = dict(model_name=str(clip))
    model.pretrained_detr = None
    model.backbone.init_cfg = dict(type='Kaiming', layer='Conv2d')
    folder = str(data / ('vcoco' if 'vcoco' in name else 'hico'))
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(
            serialize_data=False, data_root=folder, ann_file='annotations.json', data_prefix=dict(img='')
        )
        _shrink_pipeline(loader.dataset.pipeline)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.default_hooks.checkpoint = None
    cfg.update(work_dir=str(work_dir), experiment_name=Path(name).stem, log_level='WARNING', randomness=dict(seed=0))
    return cfg
