"""Checkpoints load without running code from them, and what does not load says why."""

from argparse import Namespace
from urllib.error import URLError

import pytest
import torch

from genvlkt_mmdet.converters import CheckpointError, is_intact, load_checkpoint, weights_of


class Foreign:
    """A class that no checkpoint needs."""


def test_arguments_of_training_scripts_load(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(model={'w': torch.ones(2)}, args=Namespace(lr=0.1, folder=tmp_path)), path)
    loaded = load_checkpoint(str(path))
    assert loaded['args'].folder == tmp_path
    assert weights_of(loaded)['w'].tolist() == [1, 1]


def test_foreign_objects_are_refused(tmp_path):
    path = tmp_path / 'b.pth'
    torch.save(dict(model={}, more=Foreign()), path)
    with pytest.raises(ValueError, match=r'holds an object of \S*Foreign, which safe loading refuses'):
        load_checkpoint(str(path))


def test_damaged_and_missing_files(tmp_path):
    whole = tmp_path / 'c.pth'
    torch.save({'w': torch.ones(1000)}, whole)
    for name, content in (('half', whole.read_bytes()[:2000]), ('empty', b''), ('text', b'hello world' * 9)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match='is no checkpoint of torch, or is damaged'):
            load_checkpoint(str(tmp_path / name))
    with pytest.raises(FileNotFoundError, match=r"'.*nowhere.pth' does not exist"):
        load_checkpoint(str(tmp_path / 'nowhere.pth'))
    torch.save([1, 2], whole)
    with pytest.raises(ValueError, match='holds a list, not a checkpoint'):
        load_checkpoint(str(whole))


@pytest.mark.parametrize('key', ['model', 'state_dict', None])
def test_weights_of_every_layout(key):
    weights = {'module.a.weight': torch.ones(1), 'b': torch.zeros(1)}
    assert list(weights_of(weights if key is None else {key: weights, 'epoch': 3})) == ['a.weight', 'b']


def test_no_weights():
    with pytest.raises(ValueError, match='holds no weights'):
        weights_of(dict(epoch=3))
    with pytest.raises(ValueError, match='holds no weights'):
        weights_of(dict(model={}))


def flipped(path, target):
    """A copy of a checkpoint with one changed bit in the middle of a weight."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    return target


def test_flipped_bits_are_found(tmp_path):
    whole = tmp_path / 'a.pth'
    torch.save({'w': torch.rand(10000)}, whole)
    torch.load(flipped(whole, tmp_path / 'b.pth'))  # torch does not look
    with pytest.raises(CheckpointError, match=r"b\.pth' is no checkpoint of torch, or is damaged"):
        load_checkpoint(str(tmp_path / 'b.pth'))
    assert is_intact(whole) and not is_intact(tmp_path / 'b.pth')


def test_weights_that_are_not_finite():
    weights = {'a': torch.ones(3), 'b': torch.tensor([1.0, float('nan')]), 'c': torch.tensor([float('inf')])}
    with pytest.raises(CheckpointError, match=r'^x\.pth holds NaN or infinity in 2 of 3 weights, e\.g\. b: '):
        weights_of(dict(state_dict=weights), 'x.pth')


def test_addresses_load_safely_too(tmp_path, monkeypatch):
    """mmengine's own loader runs the code in what it downloads."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    folder = tmp_path / 'hub' / 'checkpoints'
    folder.mkdir(parents=True)
    torch.save(dict(model={}, more=Foreign()), folder / 'a.pth')
    with pytest.raises(CheckpointError, match='safe loading refuses'):
        load_checkpoint('https://localhost/a.pth')
    torch.save({'w': torch.ones(1)}, folder / 'b.pth')
    assert load_checkpoint('http://localhost/b.pth')['w'] == 1
    with pytest.raises(CheckpointError, match=r"'http://localhost:9/c\.pth' cannot be read: "):
        load_checkpoint('http://localhost:9/c.pth')
    with pytest.raises(CheckpointError, match=r"publishes no weights for 'resnet51'"):
        load_checkpoint('torchvision://resnet51')


@pytest.mark.parametrize(
    ('address', 'sentence'),
    [
        ('open-mmlab://detectron2/resnet50_caffe', 'cannot be read: '),
        ('mmcls://mobilenet_v2', 'cannot be read: '),
        ('open-mmlab://resnet5', "No weights are published as 'open-mmlab://resnet5': check the name"),
        ('mmcls://resnet5', "No weights are published as 'mmcls://resnet5': check the name"),
        ('s3://bucket/a.pth', 'cannot be read: Please install petrel_client'),
        ('pavi://a', 'cannot be read: Please install pavi'),
        ('jhu://resnet50', "mmengine has no loader for the address 'jhu://resnet50'"),
        ('mim://a', "mmengine has no loader for the address 'mim://a'"),
    ],
)
def test_addresses_that_cannot_be_loaded(tmp_path, monkeypatch, address, sentence):
    def no_network(*args, **kwargs):
        raise URLError(OSError(-2, 'Name or service not known'))

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr('torch.hub.urlopen', no_network)
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load_checkpoint(address)
    assert address in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'change',
    [
        lambda value: value.to_sparse(),
        lambda value: value.to('meta'),
        lambda value: torch.complex(value, value),
        lambda value: value.to(torch.float8_e4m3fn),
        lambda value: value.to(torch.int8),
        lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
        lambda value: torch.nested.nested_tensor([value, value]),
    ],
    ids=['sparse', 'meta', 'complex', 'float8', 'int8', 'quantised', 'nested'],
)
def test_weights_that_are_no_plain_numbers(change):
    with pytest.raises(
        CheckpointError, match=r"^x\.pth holds 'a' as .+, but weights must be plain numbers: .+save it again\.$"
    ):
        weights_of(dict(state_dict={'a': change(torch.ones(2, 2))}), 'x.pth')


def test_weights_under_two_names():
    with pytest.raises(CheckpointError, match=r'^x\.pth holds the same weight under two names'):
        weights_of({'a': torch.ones(1), 'module.a': torch.zeros(1)}, 'x.pth')
