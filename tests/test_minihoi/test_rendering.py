import json
import multiprocessing
import runpy
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from genvlkt_mmdet.minihoi import annotate, render_minihoi, sample_scene
from genvlkt_mmdet.minihoi import rendering as module

SIZES = dict(pretrain=60, train=110, val=20, test=30)
TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'render_minihoi.py'


@pytest.fixture(scope='module')
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp('minihoi')
    render_minihoi(root, splits=('pretrain', 'train', 'val', 'test'), sizes=SIZES, workers=1, progress=False)
    return root


def load(path):
    return json.loads(path.read_text())


def files(root):
    names = sorted(p for p in root.rglob('*') if p.is_file() and p.name != '.minihoi.lock')
    return {str(p.relative_to(root)): p.read_bytes() for p in names}


def test_files_of_every_split(rendered):
    for split, size in SIZES.items():
        names = [f'{i:06d}.jpg' for i in range(size)]
        assert sorted(p.name for p in (rendered / 'images' / split).iterdir()) == names
        entries = load(rendered / 'annotations' / f'{split}.json')
        assert [entry['file_name'] for entry in entries] == names
    assert sorted(load(rendered / 'meta.json')['splits']) == sorted(SIZES)
    assert not [p for p in rendered.rglob('*') if 'partial' in p.name or p.suffix.isdigit()]


def test_same_files_whatever_the_number_of_workers(rendered, tmp_path):
    render_minihoi(tmp_path, splits=('train', 'test'), sizes=SIZES, workers=3, progress=False)
    there = {k: v for k, v in files(rendered).items() if 'train' in k.split('/')[1:2] or k.endswith(('/train.json',))}
    assert there and all(files(tmp_path)[name] == content for name, content in there.items() if 'pretrain' not in name)


def test_an_image_depends_on_seed_split_and_index_alone(rendered, tmp_path):
    render_minihoi(tmp_path, splits=('val',), sizes=dict(val=5), progress=False)
    few = load(tmp_path / 'annotations' / 'val.json')
    assert few == load(rendered / 'annotations' / 'val.json')[:5]
    assert few != load(rendered / 'annotations' / 'test.json')[:5]
    render_minihoi(tmp_path / 'other', splits=('val',), sizes=dict(val=5), seed=1, progress=False)
    assert load(tmp_path / 'other' / 'annotations' / 'val.json') != few


def test_files_say_what_the_sampler_said(rendered):
    entries = load(rendered / 'annotations' / 'train.json')
    for index in (0, 17, 109):
        rng = np.random.default_rng([0, module.STREAMS['train'], index])
        expected = annotate(sample_scene(rng, long_tail=True))
        assert {k: v for k, v in entries[index].items() if k != 'file_name'} == expected
        image = cv2.imread(str(rendered / 'images' / 'train' / entries[index]['file_name']))
        assert image.shape == (expected['height'], expected['width'], 3)


def test_coco_file_holds_the_same_boxes(rendered):
    for split in SIZES:
        entries, coco = (load(rendered / 'annotations' / f'{split}{end}.json') for end in ('', '_coco'))
        assert [(c['id'], c['name']) for c in coco['categories']][:2] == [(1, 'person'), (2, 'horse')]
        boxes = {image['id']: [] for image in coco['images']}
        for a in coco['annotations']:
            x, y, w, h = a['bbox']
            assert a['area'] == pytest.approx(w * h, abs=0.01)
            boxes[a['image_id']].append((a['category_id'], pytest.approx([x, y, x + w, y + h], abs=0.011)))
        assert len({a['id'] for a in coco['annotations']}) == len(coco['annotations'])
        for image, entry in zip(coco['images'], entries, strict=True):
            assert image['file_name'] == entry['file_name']
            assert [(a['category_id'], a['bbox']) for a in entry['annotations']] == boxes[image['id']]


def test_scenes_hold_idle_things_and_images_without_pairs(rendered):
    counts = Counter()
    for split in SIZES:
        for entry in load(rendered / 'annotations' / f'{split}.json'):
            used = {h[k] for h in entry['hoi_annotation'] for k in ('subject_id', 'object_id')}
            counts['empty'] += not entry['hoi_annotation']
            counts['several'] += len({(h['subject_id'], h['object_id']) for h in entry['hoi_annotation']}) > 1
            for i, a in enumerate(entry['annotations']):
                if i not in used:
                    counts['idle person' if a['category_id'] == 1 else 'idle object'] += 1
    assert min(counts[k] for k in ('empty', 'several', 'idle person', 'idle object')) > 3


def test_nothing_is_rendered_twice(rendered):
    before = {p: p.stat().st_mtime_ns for p in rendered.rglob('*')}
    render_minihoi(rendered, splits=('train', 'val'), sizes=SIZES, progress=False)
    assert {p: p.stat().st_mtime_ns for p in rendered.rglob('*')} == before


@pytest.mark.parametrize('missing', ['images/val', 'annotations/val.json', 'annotations/val_coco.json'])
def test_removed_files_come_back(tmp_path, missing):
    render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)
    before = files(tmp_path)
    path = tmp_path / missing
    if path.is_dir():
        for image in path.iterdir():
            image.unlink()
        path.rmdir()
    else:
        path.unlink()
    render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)
    assert files(tmp_path) == before


def test_a_killed_rendering_starts_again(tmp_path, monkeypatch):
    def stop(job):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, '_render_chunk', stop)
        with pytest.raises(KeyboardInterrupt):
            render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)
    assert not (tmp_path / 'images' / 'val').exists()
    (tmp_path / 'images' / '.val.partial' / 'left over.jpg').write_text('x')
    render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)
    assert len(list((tmp_path / 'images' / 'val').iterdir())) == 3


def test_files_rendered_differently_are_refused(tmp_path):
    render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)
    for arguments, words in (
        (dict(seed=1), 'was rendered with seed 0 instead of 1'),
        (dict(sizes=dict(val=4)), 'was rendered with images 3 instead of 4'),
        (dict(difficulty='hard'), r'was rendered with person_height \[44.0, 60.0\] instead of \[24.0, 46.0\]'),
    ):
        with pytest.raises(FileExistsError, match=words):
            render_minihoi(tmp_path, splits=('val',), **{'sizes': dict(val=3), **arguments}, progress=False)
    meta = load(tmp_path / 'meta.json')
    meta['splits']['val']['version'] = 0
    (tmp_path / 'meta.json').write_text(json.dumps(meta))
    with pytest.raises(FileExistsError, match='was rendered with version 0 instead of 1: remove the folder'):
        render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)
    render_minihoi(tmp_path, splits=('val',), sizes=dict(val=4), seed=1, overwrite=True, progress=False)
    assert len(load(tmp_path / 'annotations' / 'val.json')) == 4
    assert load(tmp_path / 'meta.json')['splits']['val']['seed'] == 1


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / 'images' / 'val').mkdir(parents=True)
    (tmp_path / 'images' / 'val' / 'holiday.jpg').write_text('x')
    with pytest.raises(FileExistsError, match='is not rendered into .*, which holds other files: .* check `data_root`'):
        render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)
    assert (tmp_path / 'images' / 'val' / 'holiday.jpg').exists()
    (tmp_path / 'meta.json').write_text('[1, 2]')
    with pytest.raises(FileExistsError, match="meta.json' is not a file of MiniHOI"):
        render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)


def test_a_wrong_data_root_is_refused_or_said(tmp_path, monkeypatch):
    """A typing error must not fill a folder of other things, nor render somewhere without a word."""
    (tmp_path / 'thesis.tex').write_text('x')
    with pytest.raises(FileExistsError, match='which holds other files'):
        render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']
    said = []
    monkeypatch.setattr(module, 'print_log', lambda text, logger: said.append(text))
    for folder in ('absent', 'empty'):
        (tmp_path / 'empty').mkdir(exist_ok=True)
        render_minihoi(tmp_path / folder, splits=('val',), sizes=dict(val=3), progress=False)
        assert said[-1] == f"Rendering MiniHOI split 'val', 3 images, to '{(tmp_path / folder).resolve()}'."
    render_minihoi(tmp_path / 'empty', splits=('val',), sizes=dict(val=3), progress=False)
    assert len(said) == 2  # nothing to do


def _children(pid):
    """Processes whose parent is `pid`."""
    found = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            state, parent = stat.read_text().rpartition(')')[2].split()[:2]
        except OSError:  # ended meanwhile
            continue
        if int(parent) == pid and state != 'Z':
            found.append(int(stat.parent.name))
    return found


def _alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def _render_much(root):
    render_minihoi(root, splits=('val',), sizes=dict(val=20000), workers=2, progress=False)


@pytest.mark.skipif(not Path('/proc').is_dir(), reason='looks for processes in /proc')
def test_workers_end_with_a_killed_parent(tmp_path):
    process = multiprocessing.get_context('fork').Process(target=_render_much, args=(tmp_path,))
    process.start()
    partial = tmp_path / 'images' / '.val.partial'
    end = time.monotonic() + 60
    while time.monotonic() < end and not (partial.is_dir() and any(partial.iterdir())):
        time.sleep(0.05)
    workers = _children(process.pid)
    process.kill()
    process.join()
    assert len(workers) == 2
    end = time.monotonic() + 20
    while time.monotonic() < end and any(map(_alive, workers)):
        time.sleep(0.05)
    assert not any(map(_alive, workers))
    assert not (tmp_path / 'images' / 'val').exists() and load(tmp_path / 'meta.json')['splits'] == {}
    render_minihoi(tmp_path, splits=('val',), sizes=dict(val=3), progress=False)  # what is left is no hindrance
    assert len(list((tmp_path / 'images' / 'val').iterdir())) == 3 and not partial.exists()


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="MiniHOI has no split 'tset': choose from pretrain, train, val, test"):
        render_minihoi(tmp_path, splits=('tset',))
    with pytest.raises(ValueError, match="split 'val' needs at least one image, but 0"):
        render_minihoi(tmp_path, splits=('val',), sizes=dict(val=0))
    (tmp_path / 'file').write_text('x')
    with pytest.raises(PermissionError, match=r"Cannot write to '.*file/data'.*give MiniHOI a folder"):
        render_minihoi(tmp_path / 'file' / 'data', splits=('val',))


def _render(root):
    render_minihoi(root, splits=('val',), sizes=dict(val=12), workers=1, progress=False)


def test_several_processes_at_once(tmp_path):
    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=_render, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(load(tmp_path / 'annotations' / 'val.json')) == len(list((tmp_path / 'images' / 'val').iterdir())) == 12


def test_tool(tmp_path, monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['render_minihoi.py', *arguments])
        runpy.run_path(str(TOOL), run_name='__main__')

    call(str(tmp_path), '--splits', 'val', 'test', '--images', '4', '--seed', '3', '--workers', '1')
    assert load(tmp_path / 'meta.json')['splits']['test']['seed'] == 3
    progress = capsys.readouterr().err
    assert 'MiniHOI val' in progress and '100%' in progress
    with pytest.raises(SystemExit, match='^error: .*images 4 instead of 5'):
        call(str(tmp_path), '--splits', 'val', '--images', '5', '--seed', '3')


def test_images_of_versions_without_a_field_of_difficulty_stay_valid(tmp_path):
    """`meta.json` of an earlier version lacks the fields that came later. Their defaults change no image."""
    arguments = dict(splits=('test',), sizes=dict(test=2), progress=False)
    render_minihoi(tmp_path, **arguments)
    meta = load(tmp_path / 'meta.json')
    for name in ('idle_up_to', 'posing', 'clutter', 'occluders'):
        del meta['splits']['test']['difficulty'][name]
    (tmp_path / 'meta.json').write_text(json.dumps(meta))
    before = (tmp_path / 'images' / 'test' / '000000.jpg').stat().st_mtime_ns
    render_minihoi(tmp_path, **arguments)
    assert (tmp_path / 'images' / 'test' / '000000.jpg').stat().st_mtime_ns == before
    with pytest.raises(FileExistsError, match=r'was rendered with clutter 0.0 instead of 1.0'):
        render_minihoi(tmp_path, **arguments, difficulty=dict(clutter=1.0))
