"""One hostile file for each kind that is read: it ends with a sentence and runs nothing."""

import io
import json
import os
import pickle
import runpy
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.converters import load_checkpoint
from genvlkt_mmdet.converters.publish import publish_checkpoint
from genvlkt_mmdet.datasets.formats import read_annotations
from genvlkt_mmdet.datasets.formats.safe_pickle import load_numpy_pickle
from genvlkt_mmdet.datasets.image_file import check_image, write_image
from genvlkt_mmdet.engine.hooks import SafeCheckpointHook
from genvlkt_mmdet.files import write_file
from genvlkt_mmdet.models.vlkt.clip_source import CLIPSource
from genvlkt_mmdet.vocabulary import load_vocabulary

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture
def hostile(tmp_path, trap):
    """A checkpoint that would run a command when it is unpickled."""
    torch.save(dict(state_dict=trap), tmp_path / 'hostile.pth')
    return tmp_path / 'hostile.pth'


def run_tool(monkeypatch, tool, *args):
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, args)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(TOOLS / tool), run_name='__main__')
    assert isinstance(caught.value.code, str) and '\n' not in caught.value.code
    return caught.value.code


def test_checkpoint_in_inference(hostile):
    with pytest.raises(ValueError, match='hostile.pth'):
        HOIInferencer('gen_vlkt_tiny_minihoi', hostile, device='cpu')


def test_checkpoint_in_the_converters(hostile, tmp_path, monkeypatch):
    assert 'hostile.pth' in run_tool(
        monkeypatch, 'model_converters/official_to_genvlkt.py', hostile, tmp_path / 'x.pth'
    )
    config = TOOLS.parent / 'configs' / 'gen_vlkt_tiny_minihoi.py'
    assert 'hostile.pth' in run_tool(
        monkeypatch, 'model_converters/detr_to_genvlkt.py', hostile, tmp_path / 'x.pth', '--config', config
    )
    assert not (tmp_path / 'x.pth').exists()


def test_checkpoint_to_publish(hostile, tmp_path):
    with pytest.raises(ValueError, match='hostile.pth'):
        publish_checkpoint(hostile, tmp_path / 'x.pth')


def test_plain_pickle_as_checkpoint(tmp_path, trap):
    (tmp_path / 'old.pth').write_bytes(pickle.dumps(trap))
    with pytest.raises(ValueError, match='old.pth'):
        load_checkpoint(str(tmp_path / 'old.pth'))


def test_old_config_is_not_run_on_resuming(trap):
    checkpoint = dict(meta=dict(config=f'x = {trap.python}', epoch=1))
    SafeCheckpointHook().after_load_checkpoint(None, checkpoint)
    assert checkpoint == dict(meta=dict(epoch=1))
    SafeCheckpointHook().after_load_checkpoint(None, dict(meta='text'))


def test_clip_folder_with_a_pickle(tmp_path, trap):
    folder = tmp_path / 'clip'
    shutil.copytree(asset_path('tiny_clip'), folder)
    (folder / 'open_clip_model.safetensors').unlink()
    torch.save(dict(weight=trap), folder / 'open_clip_model.bin')
    with pytest.raises(Exception, match='[Ww]eights'):
        CLIPSource.from_cfg(str(folder)).load_model()


def test_clip_folder_that_asks_for_code(tmp_path):
    folder = tmp_path / 'clip'
    shutil.copytree(asset_path('tiny_clip'), folder)
    config = json.loads((folder / 'open_clip_config.json').read_text())
    config['model_cfg']['text_cfg'].update(hf_tokenizer_name='evil', tokenizer_kwargs=dict(trust_remote_code=True))
    (folder / 'open_clip_config.json').write_text(json.dumps(config))
    with pytest.raises(ValueError, match='asks to run code of a tokenizer'):
        CLIPSource.from_cfg(str(folder)).load_tokenizer()


def test_yaml_vocabulary(tmp_path, trap):
    (tmp_path / 'v.yaml').write_text(f"objects: !!python/object/apply:os.system ['{trap.shell}']\n")
    with pytest.raises(ValueError, match='v.yaml'):
        load_vocabulary(tmp_path / 'v.yaml')


def test_pickled_detections(tmp_path, trap):
    (tmp_path / 'd.pkl').write_bytes(pickle.dumps([trap]))
    with pytest.raises(ValueError, match="d.pkl' is refused"):
        load_numpy_pickle(tmp_path / 'd.pkl')


def test_annotations_that_are_a_pickle(tmp_path, trap):
    for name in ('a.json', 'a.pkl'):
        (tmp_path / name).write_bytes(pickle.dumps(trap))
        with pytest.raises(ValueError, match=name):
            read_annotations(tmp_path / name, load_vocabulary('hico'))


def test_postscript_under_another_name(tmp_path):
    """Pillow would start Ghostscript for it."""
    (tmp_path / 'a.png').write_bytes(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n')
    with pytest.raises(ValueError, match='is no image that can be decoded'):
        check_image((tmp_path / 'a.png').read_bytes(), 'a.png')


def png_bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = struct.pack('>IIBBBBB', width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 7) // 8 + 1) * min(height, 100))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', rows) + chunk(b'IEND', b'')


@pytest.mark.parametrize(
    ('side', 'message'), [(12_000, '12000 x 12000 pixels, more than the 128,000,000'), (30_000, 'has more than')]
)
def test_image_bomb(side, message):
    with pytest.raises(ValueError, match=message):
        check_image(png_bomb(side, side), 'bomb.png')
    assert check_image(io.BytesIO(png_bomb(20, 10)).getvalue(), 'small.png') == (20, 10)


def test_planted_link_is_replaced(tmp_path):
    target = tmp_path / 'precious'
    target.write_text('mine')
    for write in (lambda path: write_file(path, b'new'), lambda path: write_image(path, np.zeros((2, 2, 3), np.uint8))):
        link = tmp_path / 'out' / 'a.png'
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        os.symlink(target, link)
        write(link)
        assert target.read_text() == 'mine' and not link.is_symlink()
        assert [p.name for p in link.parent.iterdir()] == ['a.png']


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, 'No space left on device')

    (tmp_path / 'a.json').write_text('old')
    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r"a.json' cannot be written: No space left on device\."):
        write_file(tmp_path / 'a.json', b'new')
    assert [p.name for p in tmp_path.iterdir()] == ['a.json'] and (tmp_path / 'a.json').read_text() == 'old'
