import cv2
import numpy as np
import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader, load_checkpoint
from torch import nn

import genvlkt_mmdet.assets as assets
from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.converters.publish import publish_checkpoint
from genvlkt_mmdet.minihoi.scenes import render_scene, sample_scene


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of shipped files of our own."""
    monkeypatch.setattr(assets, '_FOLDER', tmp_path)
    return tmp_path


def test_asset_path(shipped):
    (shipped / 'model').mkdir()
    (shipped / 'x.pth').write_bytes(b'')
    assert asset_path('model') == asset_path('genvlkt://model') == shipped / 'model'
    with pytest.raises(FileNotFoundError, match="ships no 'y.pth'; it ships: model, x.pth"):
        asset_path('genvlkt://y.pth')
    with pytest.raises(FileNotFoundError, match='ships no'):
        asset_path('../x.pth')


def test_scheme_of_the_checkpoint_loader(shipped):
    source = nn.Linear(2, 2)
    torch.save(dict(state_dict=source.state_dict()), shipped / 'x.pth')
    target = nn.Linear(2, 2)
    load_checkpoint(target, 'genvlkt://x.pth', map_location='cpu', strict=True)
    assert torch.equal(target.weight, source.weight)
    with pytest.raises(FileNotFoundError, match='ships no'):
        CheckpointLoader.load_checkpoint('genvlkt://absent.pth')


def test_scheme_loads_weights_only(shipped):
    torch.save(dict(state_dict={}, anything=print), shipped / 'x.pth')
    with pytest.raises(Exception, match='[Ww]eights.only'):
        CheckpointLoader.load_checkpoint('genvlkt://x.pth')


def test_publish_checkpoint(tmp_path):
    state = dict(a=torch.tensor([1.0, 1e-3]), count=torch.tensor(7), head=torch.ones(1000))
    torch.save(dict(state_dict=state, optimizer=dict(x=torch.ones(10**5)), meta=dict(epoch=1)), tmp_path / 'full.pth')
    size = publish_checkpoint(tmp_path / 'full.pth', tmp_path / 'new' / 'small.pth', drop=['head'])
    assert size == (tmp_path / 'new' / 'small.pth').stat().st_size < 10**4
    loaded = torch.load(tmp_path / 'new' / 'small.pth', weights_only=True)
    assert set(loaded) == {'state_dict'} and set(loaded['state_dict']) == {'a', 'count'}
    assert loaded['state_dict']['a'].dtype == torch.float16 and loaded['state_dict']['count'].item() == 7
    torch.save(dict(state_dict=dict(state, big=torch.tensor([1e6]))), tmp_path / 'big.pth')
    publish_checkpoint(tmp_path / 'big.pth', tmp_path / 'small.pth')  # a half ends at 65,504
    assert torch.load(tmp_path / 'small.pth', weights_only=True)['state_dict']['big'].tolist() == [1e6]
    publish_checkpoint(tmp_path / 'full.pth', tmp_path / 'exact.pth', half=False)
    assert torch.equal(torch.load(tmp_path / 'exact.pth', weights_only=True)['state_dict']['a'], state['a'])


def test_published_files_keep_the_config_and_the_classes(tmp_path):
    meta = dict(epoch=1, dataset_meta=dict(classes=('cup',)), cfg_json='{}', cfg='import os')
    torch.save(dict(state_dict=dict(a=torch.ones(2)), meta=meta), tmp_path / 'full.pth')
    publish_checkpoint(tmp_path / 'full.pth', tmp_path / 'small.pth')
    loaded = torch.load(tmp_path / 'small.pth', weights_only=True)
    assert loaded['meta'] == dict(dataset_meta=dict(classes=('cup',)), cfg_json='{}')


def test_a_shipped_file_has_8_bits_for_a_weight_and_loads_as_floats(shipped, tmp_path):
    torch.manual_seed(0)
    rows = torch.randn(3, 4, 5) * torch.tensor([1e-4, 1.0, 100.0]).view(3, 1, 1)
    state = dict(weight=rows, zeros=torch.zeros(2, 3), bias=torch.tensor([0.1, 0.2]), count=torch.tensor([[7]]))
    torch.save(dict(state_dict=state), tmp_path / 'full.pth')
    publish_checkpoint(tmp_path / 'full.pth', shipped / 'x.pth', to_ship=True)
    stored = torch.load(shipped / 'x.pth', weights_only=True)['state_dict']
    assert stored['weight'].dtype == torch.int8 and stored['bias'].dtype == torch.float16
    loaded = CheckpointLoader.load_checkpoint('genvlkt://x.pth')['state_dict']
    by_path = CheckpointLoader.load_checkpoint(str(shipped / 'x.pth'))['state_dict']
    assert all(torch.equal(by_path[name], value) for name, value in loaded.items())
    largest = rows.abs().flatten(1).amax(1).view(3, 1, 1)
    assert ((loaded['weight'] - rows).abs() <= 0.004 * largest).all()
    assert torch.equal(loaded['zeros'], state['zeros']) and torch.equal(loaded['count'], state['count'])
    torch.testing.assert_close(loaded['bias'].float(), state['bias'], rtol=1e-3, atol=0)


def test_publish_needs_weights(tmp_path):
    torch.save(dict(optimizer={}), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='holds no weights'):
        publish_checkpoint(tmp_path / 'x.pth', tmp_path / 'y.pth')
    with pytest.raises(FileNotFoundError, match='does not exist'):
        publish_checkpoint(tmp_path / 'absent.pth', tmp_path / 'y.pth')


def test_the_example_is_a_rendered_scene():
    scene = sample_scene(np.random.default_rng([77, 14]), num_pairs=3)
    rendered = render_scene(scene)[0]
    shipped = cv2.imread(str(asset_path('genvlkt://example.jpg')))[..., ::-1]
    assert shipped.shape == rendered.shape and np.abs(shipped.astype(int) - rendered).mean() < 5  # JPEG
    assert asset_path('example.jpg').stat().st_size < 10_000
