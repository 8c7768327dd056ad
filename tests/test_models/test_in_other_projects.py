"""An mmdet project of somebody else uses GENHead through ``custom_imports``, with a backbone of its own choice."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.test_models.tiny import CLIP_DIMS, HICO_LIKE, LOSSES, TRAIN_CFG, layer_cfg

ROOT = Path(__file__).parents[2]

CONFIG = f"""
custom_imports = dict(imports=['genvlkt_mmdet'])
default_scope = 'mmdet'
model = dict(
    type='GENVLKT',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[127.0] * 3, std=[64.0] * 3, pad_size_divisor=32),
    backbone=dict(
        type='SwinTransformer', embed_dims=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8), window_size=3, out_indices=(3,)
    ),
    neck=dict(
        type='ChannelMapper', in_channels=[64], kernel_size=1, out_channels=32, act_cfg=None, norm_cfg=None, num_outs=1
    ),
    encoder=dict(num_layers=1, layer_cfg={layer_cfg(cross=False)!r}),
    positional_encoding=dict(num_feats=16, normalize=True),
    bbox_head=dict(
        type='GENHead',
        vocabulary={HICO_LIKE!r},
        num_queries=5,
        embed_dims=32,
        decoder=dict(num_layers=2, layer_cfg={layer_cfg(cross=True)!r}),
        hoi_classifier=dict(type='TextClassifier', clip_dims={CLIP_DIMS}),
        obj_classifier=dict(type='TextClassifier', clip_dims={CLIP_DIMS}),
        **{LOSSES!r},
    ),
    train_cfg={TRAIN_CFG!r},
    test_cfg=dict(max_per_img=10),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4), clip_grad=dict(max_norm=0.1))
"""

# What such a project does; nothing in it imports genvlkt_mmdet but the config.
SCRIPT = """
import json, sys

from mmengine.config import Config

cfg = Config.fromfile(sys.argv[1])  # custom_imports happen here
assert 'genvlkt_mmdet' in sys.modules

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmdet.registry import MODELS

init_default_scope(cfg.default_scope)
torch.manual_seed(0)
torch.set_num_threads(1)
model = MODELS.build(cfg.model)
model.init_weights()
optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)

sample = sys.modules['genvlkt_mmdet.structures'].HOIDataSample(metainfo=dict(img_shape=(90, 128), ori_shape=(180, 256)))
sample.gt_pairs = InstanceData(
    human_boxes=torch.tensor([[10.0, 10, 50, 80]]), object_boxes=torch.tensor([[40.0, 30, 90, 85]]),
    object_labels=torch.tensor([2]), hoi_labels=torch.tensor([[0.0, 1, 1, 0, 0]]),
)
image = torch.randint(0, 256, (3, 90, 128), dtype=torch.uint8)
before = [p.detach().clone() for p in model.parameters()]
logs = model.train_step(dict(inputs=[image], data_samples=[sample]), optim_wrapper)
changed = sum(not torch.equal(a, b) for a, b in zip(before, model.parameters()))
sum(model(**model.data_preprocessor(dict(inputs=[image], data_samples=[sample]), True), mode='loss').values()).backward()
unused = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]

model.eval()
result = model.test_step(dict(inputs=[image], data_samples=[sample]))[0].pred_hois
print(json.dumps(dict(
    backbone=type(model.backbone).__name__, logs={k: float(v) for k, v in logs.items()}, changed=changed, unused=unused,
    scores=result.scores.tolist(), hoi_labels=result.hoi_labels.tolist(), boxes=result.human_boxes.tolist(),
)))
"""


def test_genhead_on_a_swin_backbone(tmp_path):
    config = tmp_path / 'their_hoi_swin.py'
    config.write_text(CONFIG)
    env = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT, str(config)], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report['backbone'] == 'SwinTransformer'
    names = {'loss_hoi', 'loss_obj', 'loss_human_bbox', 'loss_object_bbox', 'loss_human_iou', 'loss_object_iou'}
    assert report['logs'].keys() == {'loss'} | names | {f'd0.{name}' for name in names}
    losses = {key: value for key, value in report['logs'].items() if key != 'loss'}
    assert abs(report['logs']['loss'] - sum(losses.values())) < 1e-3
    assert all(0 < value < 100 for value in losses.values())
    assert report['changed'] > 100
    assert report['unused'] == []
    assert 0 < len(report['scores']) <= 10
    assert report['scores'] == sorted(report['scores'], reverse=True)
    assert all(0 <= score <= 2 for score in report['scores'])
    assert set(report['hoi_labels']) <= set(range(5))
    # Pixels of the original image, 256 wide and 180 high: centres lie inside.
    for x1, y1, x2, y2 in report['boxes']:
        assert 0 < (x1 + x2) / 2 < 256 and 0 < (y1 + y2) / 2 < 180
