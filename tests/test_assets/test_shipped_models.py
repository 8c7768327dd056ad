"""The small models that ship with the package do what docs/tiny_models.md says of them."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from mmdet.apis import inference_detector
from mmdet.evaluation import eval_map
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_checkpoint

from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.minihoi import render_minihoi
from genvlkt_mmdet.minihoi.tiny_clip import evaluate_tiny_clip
from genvlkt_mmdet.models.vlkt import compute_text_embeddings, image_transform
from genvlkt_mmdet.vocabulary import load_vocabulary

CONFIG = Path(__file__).parents[2] / 'configs' / 'minihoi' / 'detr_tiny_minihoi.py'


def test_size():
    files = [p for p in asset_path('tiny_clip').parent.rglob('*') if p.is_file() and p.suffix not in ('.py', '.pyc')]
    assert sum(p.stat().st_size for p in files) <= 8.5e6  # all shipped models together


def test_tiny_clip_names_pictures_it_has_not_seen():
    measured = evaluate_tiny_clip(asset_path('tiny_clip'), num_images=200, seed=11)
    assert measured['hoi'] > 0.97
    assert measured['verb'] > 0.97
    assert measured['object'] > 0.97
    assert measured['nothing'] > 0.9
    assert measured['feature_scale'] == pytest.approx(0.4, abs=0.04)


def test_tiny_clip_with_a_vit_names_pictures_and_has_the_texts_of_the_other():
    measured = evaluate_tiny_clip(asset_path('tiny_clip_vit'), num_images=200, seed=11)
    assert measured['hoi'] > 0.65
    assert measured['verb'] > 0.65
    assert measured['object'] > 0.95
    assert measured['nothing'] > 0.9
    assert measured['feature_scale'] == pytest.approx(0.4, abs=0.04)
    prompts = load_vocabulary('minihoi').hoi_prompts
    texts, others = (compute_text_embeddings(prompts, f'genvlkt://{name}') for name in ('tiny_clip_vit', 'tiny_clip'))
    assert torch.cosine_similarity(texts, others).min() > 0.99  # 8 bits
    visual = open_clip.create_model(f'local-dir:{asset_path("tiny_clip_vit")}').visual
    assert visual.grid_size == (8, 8) and visual.transformer.width == 128


def test_tiny_clip_is_a_model_of_open_clip():
    folder = asset_path('tiny_clip')
    model = open_clip.create_model(f'local-dir:{folder}').eval()
    tokenizer = open_clip.get_tokenizer(f'local-dir:{folder}', bpe_path=str(folder / 'bpe.txt.gz'))
    vocab = load_vocabulary('minihoi')
    prompts = [*vocab.hoi_prompts, *vocab.object_prompts]
    with torch.no_grad():
        expected = model.encode_text(tokenizer(prompts))
    embeddings = compute_text_embeddings(prompts, 'genvlkt://tiny_clip')
    torch.testing.assert_close(embeddings, expected, rtol=0, atol=1e-6)
    assert image_transform('genvlkt://tiny_clip')['size'] == 64
    width = json.loads((folder / 'open_clip_config.json').read_text())['model_cfg']['embed_dim']
    assert embeddings.shape == (len(prompts), width)
    # Every word of the vocabulary is one token, and a text of other words still has some.
    assert (tokenizer(['a photo of a person riding a horse'])[0] > 0).sum() == 8 + 2
    assert (tokenizer(['a zebra'])[0] > 0).sum() > 3


def test_tiny_detr_finds_the_boxes_of_pictures_it_has_not_seen(tmp_path):
    cfg = Config.fromfile(CONFIG)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).eval()
    load_checkpoint(model, 'genvlkt://detr_tiny_minihoi.pth', map_location='cpu', strict=True, logger='silent')
    model.cfg = cfg
    render_minihoi(tmp_path, splits=('val',), sizes=dict(val=48), workers=1, progress=False)
    truth = json.loads((tmp_path / 'annotations' / 'val.json').read_text())
    results = inference_detector(model, [str(tmp_path / 'images' / 'val' / entry['file_name']) for entry in truth])

    num_classes = cfg.model.bbox_head.num_classes
    assert tuple(cfg.metainfo.classes) == load_vocabulary('minihoi').object_names
    detections, annotations = [], []
    for entry, result in zip(truth, results, strict=True):
        found = result.pred_instances.numpy()
        rows = np.concatenate([found.bboxes, found.scores[:, None]], 1)
        detections.append([rows[found.labels == label] for label in range(num_classes)])
        annotations.append(
            dict(
                bboxes=np.array([a['bbox'] for a in entry['annotations']], np.float32),
                labels=np.array([a['category_id'] - 1 for a in entry['annotations']]),
            )
        )
    ap50, _ = eval_map(detections, annotations, iou_thr=0.5, logger='silent')
    assert ap50 > 0.95
