"""One hostile file for each kind that is read: it ends with a sentence and runs nothing."""

import io
import json
import os
import pickle
import re
import runpy
import shutil
import struct
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import checkpoint
from torch.serialization import safe_globals

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.compat import checkpoint_globals
from genvlkt_mmdet.converters import load_checkpoint, save_checkpoint
from genvlkt_mmdet.converters.publish import publish_checkpoint
from genvlkt_mmdet.datasets.formats import read_annotations
from genvlkt_mmdet.datasets.formats.safe_pickle import load_numpy_pickle
from genvlkt_mmdet.datasets.image_file import check_image, write_image
from genvlkt_mmdet.datasets.sources import Source, download
from genvlkt_mmdet.engine import AtomicLocalBackend, launch, train_model
from genvlkt_mmdet.evaluation import load_detections
from genvlkt_mmdet.evaluation.functional import VCOCODetections
from genvlkt_mmdet.evaluation.io import write_hico_mats, write_results, write_vcoco_pickle
from genvlkt_mmdet.evaluation.reporting.files import write_report
from genvlkt_mmdet.files import write_file
from genvlkt_mmdet.models.vlkt import CLIPSource, encode_text, save_clip_model, save_text_embeddings
from genvlkt_mmdet.structures import Triplets
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.test_engine.toy import detector_config, toy_config

TOOLS = Path(__file__).parents[2] / 'tools'
MATLAB = b'MATLAB 5.0 MAT-file'.ljust(124) + b'\x00\x01IM'


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


@pytest.mark.parametrize(
    'address',
    [
        'http://localhost:9/hostile.pth',
        'torchvision://resnet18',
        'modelzoo://resnet18',
        'open-mmlab://contrib/resnet50_gn',
        'openmmlab://detectron2/resnet50_caffe',
        'mmcls://mobilenet_v2',
        's3://bucket/hostile.pth',
        'cluster:petrel://bucket/hostile.pth',
    ],
)
@pytest.mark.parametrize('forced', [None, '1'])
def test_checkpoint_at_an_address(hostile, tmp_path, monkeypatch, address, forced):
    """What is behind it was downloaded before, or is in a storage. torch's variable for unsafe loading changes nothing."""
    content = hostile.read_bytes()
    cache = tmp_path / 'hub' / 'checkpoints'
    cache.mkdir(parents=True)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(checkpoint, 'get_file_backend', lambda *a, **k: SimpleNamespace(get=lambda name: content))
    if forced:
        monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', forced)
    tables = (checkpoint.get_torchvision_models(), checkpoint.get_external_models(), checkpoint.get_mmcls_models())
    for url in (address, *(table.get(address.split('://')[1], '') for table in tables)):
        shutil.copyfile(hostile, cache / (url.rsplit('/', 1)[-1] or 'none'))
    reason = r'holds an object of \w+\.system, which safe loading refuses'
    if 'bucket' in address:  # the fork of mmengine tries again, at the end of the file
        reason = f'{reason}|is no checkpoint of torch'
    with pytest.raises(ValueError, match=reason) as caught:
        load_checkpoint(address)
    assert address in str(caught.value)
    assert os.environ.get('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD') == forced
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


@pytest.mark.parametrize(
    'arguments',
    [
        ('test.py', 'CONFIG', 'HOSTILE'),
        ('train.py', 'CONFIG', '--resume', 'HOSTILE'),
        ('train.py', 'CONFIG', '--cfg-options', 'load_from=HOSTILE'),
        ('train.py', 'CONFIG', '--cfg-options', 'model.pretrained_detr=HOSTILE'),
    ],
    ids=['test', 'resume', 'load_from', 'pretrained_detr'],
)
def test_checkpoint_in_training_and_testing(hostile, tmp_path, monkeypatch, arguments):
    Config(detector_config(tmp_path)).dump(tmp_path / 'small.py')
    names = dict(CONFIG=str(tmp_path / 'small.py'), HOSTILE=str(hostile))
    tool, *arguments = (re.sub('CONFIG|HOSTILE', lambda m: names[m[0]], argument) for argument in arguments)
    sentence = run_tool(monkeypatch, tool, *arguments)
    assert re.match(r"error: .*hostile.pth' holds an object of \w+.system, which safe loading refuses", sentence)


@pytest.mark.parametrize('hook', ['CheckpointHook', 'SafeCheckpointHook'])
def test_programs_in_a_checkpoint_to_resume(tmp_path, trap, hook):
    """Runner.resume runs ``meta['config']``, and hands ``cfg`` on to the checkpoints that it writes."""
    cfg = Config(toy_config(tmp_path, epochs=1))
    cfg.merge_from_dict({'default_hooks.checkpoint': dict(type=hook, interval=1), 'experiment_name': f'{hook} 1'})
    train_model(cfg)
    with safe_globals(checkpoint_globals()):
        checkpoint = torch.load(tmp_path / 'epoch_1.pth')
    text = f'x = {trap.python}\n'
    checkpoint['meta'].update(config=text, cfg=text)
    checkpoint['message_hub']['runtime_info']['cfg'] = text
    torch.save(checkpoint, tmp_path / 'hostile.pth')
    cfg.merge_from_dict({'train_cfg.max_epochs': 2, 'experiment_name': f'{hook} 2'})
    cfg.load_from, cfg.resume = str(tmp_path / 'hostile.pth'), True
    train_model(cfg)
    written = load_checkpoint(str(tmp_path / 'epoch_2.pth'))
    assert written['meta']['epoch'] == 2
    if hook == 'SafeCheckpointHook':
        assert written['message_hub']['runtime_info']['cfg'] == cfg.pretty_text


@pytest.mark.parametrize('name', ['r.json', 'r.npz', 'r.pkl', 'detections_01.mat'])
def test_results(tmp_path, trap, name):
    """Each is a pickle inside; ``.npz`` is no format of results, but people may try it."""
    path = tmp_path / 'results' / name
    path.parent.mkdir()
    if name == 'r.npz':
        np.savez(path, human_boxes=np.array([trap], dtype=object))
    else:
        path.write_bytes((MATLAB if name.endswith('.mat') else b'') + pickle.dumps([trap]))
    images = [dict(file_name='a.jpg', img_id=0)]
    with pytest.raises(ValueError, match=name) as caught:
        load_detections(path.parent if name.endswith('.mat') else path, images, 'vcoco' if name == 'r.pkl' else 'hico')
    assert '\n' not in str(caught.value)


def test_matlab_annotations(tmp_path, trap):
    (tmp_path / 'anno_bbox.mat').write_bytes(MATLAB + pickle.dumps(trap))
    with pytest.raises(ValueError, match='anno_bbox.mat'):
        read_annotations(tmp_path / 'anno_bbox.mat', load_vocabulary('hico'), 'test')


def test_text_embeddings(tmp_path, trap):
    path = tmp_path / 'text.safetensors'
    torch.save(dict(embeddings=trap), path)
    with pytest.raises(ValueError, match='text.safetensors'):
        encode_text(['a cup'], dict(pretrained='genvlkt://tiny_clip', text_embeddings=path))


def test_torchscript_archive(tmp_path, trap):
    """``torch.jit.load`` would run ``__setstate__`` of the archive, which writes a file here."""

    class Evil(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.path: str = str(trap.path)

        @torch.jit.export
        def __getstate__(self):
            return self.path, self.training

        @torch.jit.export
        def __setstate__(self, state: tuple[str, bool]):
            self.path = state[0]
            self.training = state[1]
            torch.save(state[1], state[0])

        def forward(self, x):
            return x

    torch.jit.script(Evil()).save(str(tmp_path / 'evil.pt'))
    torch.jit.load(str(tmp_path / 'evil.pt'))
    trap.path.unlink()  # so it would
    with pytest.raises(ValueError, match='evil.pt. is no TorchScript archive of CLIP weights, or is damaged'):
        CLIPSource.from_cfg(dict(model_name='ViT-B-32', pretrained=str(tmp_path / 'evil.pt'))).load_model()


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


def write_classes(path):
    vocabulary = load_vocabulary('minihoi')
    scores = [0.5] * vocabulary.num_hois
    default = dict(num_gt=[1] * vocabulary.num_hois, ap=scores, full=0.5)
    write_report(path.parent, dict(default=default, known_object=dict(ap=scores)), vocabulary)


def fetch(path):
    (path.parents[2] / 'source.zip').write_bytes(b'new')
    page = (path.parents[2] / 'source.zip').as_uri()
    download(Source(path.name, page, '.', direct=True), path.parents[1])


NO_TRIPLETS = Triplets(*(np.zeros(shape, np.int64) for shape in (0, (0, 4), (0, 4), 0, 0)))
NO_PERSONS = VCOCODetections(*(np.zeros(shape) for shape in (0, (0, 4), 0, 0, (0, 4), 0, 0, 0, 0)))
WRITERS = {
    'any': lambda path: write_file(path, b'new'),
    'a.png': lambda path: write_image(path, np.zeros((2, 2, 3), np.uint8)),
    'a.pth': lambda path: save_checkpoint(path, dict(a=1)),
    'epoch_1.pth': lambda path: AtomicLocalBackend().put(b'new', path),
    'results.json': lambda path: write_results(path, []),
    'results.pkl': lambda path: write_vcoco_pickle(path, NO_PERSONS, [], load_vocabulary('vcoco')),
    'detections_01.mat': lambda path: write_hico_mats(path.parent, NO_TRIPLETS, [], load_vocabulary('hico')),
    'classes.csv': write_classes,
    'classes.png': write_classes,
    'text.safetensors': lambda path: save_text_embeddings(path, ['a'], torch.zeros(1, 4), 'genvlkt://tiny_clip'),
    'open_clip_config.json': lambda path: save_clip_model(path.parent, 'genvlkt://tiny_clip'),
    'dump.pkl': lambda path: launch._Dump(str(path)).compute_metrics([]),
}


@pytest.mark.parametrize('name', WRITERS)
def test_planted_link_is_replaced(tmp_path, name):
    target, link = tmp_path / 'precious', tmp_path / 'out' / name
    target.write_text('mine')
    link.parent.mkdir()
    link.symlink_to(target)
    WRITERS[name](link)
    assert target.read_text() == 'mine' and not link.is_symlink() and link.stat().st_size > 0
    assert not list(link.parent.glob('*.part'))


def test_download_does_not_follow_a_link(tmp_path):
    """One that points nowhere: a file that is there is not fetched again."""
    link = tmp_path / 'data' / 'downloads' / 'a.zip'
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / 'elsewhere')
    fetch(link)
    assert link.read_bytes() == b'new' and not link.is_symlink() and not (tmp_path / 'elsewhere').exists()


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, 'No space left on device')

    (tmp_path / 'a.json').write_text('old')
    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r"a.json' cannot be written: No space left on device\."):
        write_file(tmp_path / 'a.json', b'new')
    assert [p.name for p in tmp_path.iterdir()] == ['a.json'] and (tmp_path / 'a.json').read_text() == 'old'
