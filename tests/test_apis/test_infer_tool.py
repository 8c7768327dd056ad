import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from genvlkt_mmdet.apis.configs import find_config
from genvlkt_mmdet.datasets.vocabulary import load_vocabulary

CONFIG = find_config('gen_vlkt_tiny_minihoi')


def test_writes_drawings_and_json(run, tmp_path, capsys):
    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(CONFIG).model)
    meta = dict(dataset_meta=dict(vocabulary=load_vocabulary('minihoi').to_dict()))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / 'w.pth')
    photos = tmp_path / 'photos'
    photos.mkdir()
    for name in ('one', 'two'):
        cv2.imwrite(str(photos / f'{name}.png'), np.full((128, 128, 3), 90, np.uint8))
    arguments = (photos, '--model', CONFIG, '--weights', 'w.pth', '--device', 'cpu', '--score-thr', '0', '--top-k', '4')
    run(*arguments, '--out-dir', 'result', '--batch-size', '2')
    assert capsys.readouterr().out.strip().endswith('8 interactions in 2 images: see result')
    assert sorted(p.name for p in Path('result/vis').iterdir()) == ['one.png', 'two.png']
    assert len(json.loads(Path('result/preds/two.json').read_text())['hois']) == 4
    run(*arguments, '--no-vis')
    assert [p.name for p in Path('out').iterdir()] == ['preds']


def test_mistakes_are_one_sentence(run, tmp_path):
    with pytest.raises(SystemExit) as caught:
        run('photo.jpg', '--model', CONFIG, '--weights', 'gone.pth')
    assert str(caught.value) == "error: The checkpoint 'gone.pth' does not exist: give the path of an existing file."
