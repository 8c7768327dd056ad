"""The configs of FrozenEncoderHead: checks before a training, checkpoint, inference, open vocabulary, export."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.apis.configs import CONFIGS
from genvlkt_mmdet.assets import asset_path

MINIHOI = Path(CONFIGS) / 'minihoi' / 'frozen_encoder'
HICO = Path(CONFIGS) / 'frozen_encoder'


@pytest.mark.parametrize('path', [*sorted(MINIHOI.glob('*.py')), *sorted(HICO.glob('*.py'))], ids=lambda p: p.stem)
def test_every_pipeline_makes_clips_image(path):
    cfg = Config.fromfile(path)
    head = cfg.model.bbox_head
    assert head.type == 'FrozenEncoderHead' and head.loss_mimic is None
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        made = [t for t in loader.dataset.pipeline if t.type == 'MakeCLIPImage']
        assert len(made) == 1 and made[0].size == (64 if 'minihoi' in path.stem else 224)
        # MiniHOI's images are squares
        assert 'minihoi' in path.stem or made[0].keep_ratio is False
        assert loader.dataset.get('zero_shot') == head.get('zero_shot')
    assert (head.hoi_classifier.project is True) == (head.reads == 'tokens')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A model of the zero-shot config, which is not trained, and its checkpoint."""
    cfg = Config.fromfile(MINIHOI / 'frozen_encoder_tiny_minihoi_uo.py')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    file = tmp_path_factory.mktemp('frozen') / 'model.pth'
    torch.save(dict(state_dict=model.state_dict()), file)
    return model, file


def test_inferencer_and_open_vocabulary(checkpoint):
    model, file = checkpoint
    inferencer = HOIInferencer(str(MINIHOI / 'frozen_encoder_tiny_minihoi_uo.py'), weights=str(file), device='cpu')
    for name, value in model.bbox_head.clip.state_dict().items():
        assert torch.equal(inferencer.model.bbox_head.clip.state_dict()[name], value)
    image = str(asset_path('example.jpg'))
    assert len(inferencer(image, pred_score_thr=0.0)['predictions'][0]) > 10
    inferencer.model.set_vocabulary(['a person riding a sheep'])
    found = inferencer(image, pred_score_thr=0.0)['predictions'][0]
    assert {interaction['phrase'] for interaction in found} == {'person riding a sheep'}
