"""The example of docs/custom_data.md, command by command, with a shorter training that also writes for TensorBoard."""

import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, EventAccumulator

from genvlkt_mmdet.cli import run_verb
from genvlkt_mmdet.datasets.formats.label_studio import read_label_studio
from genvlkt_mmdet.vocabulary import load_vocabulary
from genvlkt_start import find_verb
from tests.docs_pages import ROOT, commands

EPOCHS = 2
# Shorter, without worker processes, with TensorBoard.
SHORTER = {
    'train_cfg.max_epochs': EPOCHS,
    'train_cfg.val_interval': EPOCHS,
    **{f'{part}_dataloader.num_workers': 0 for part in ('train', 'val')},
    **{f'{part}_dataloader.persistent_workers': False for part in ('train', 'val')},
    'visualizer.vis_backends': '[{"type":"LocalVisBackend"},{"type":"TensorboardVisBackend"}]',
    'default_hooks.visualization.num_val_images': 2,
}


def run(command: str) -> None:
    verb, arguments = find_verb(shlex.split(command)[1:])
    run_verb(verb, arguments)


def error(command: str) -> str:
    with pytest.raises(SystemExit) as end:
        run(command)
    return end.value.code


@pytest.fixture(scope='module')
def example(tmp_path_factory):
    """The folder after all commands of the example."""
    page = ROOT / 'docs' / 'custom_data.md'
    steps = [command for command in commands(page) if 'station' in command]
    assert [find_verb(shlex.split(step)[1:])[0] for step in steps] == [
        'data init', 'data import', 'data check', 'data split', 'train', 'test', 'infer', 'plot',
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp('example')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for step in steps:
            if step.startswith('genvlkt train'):
                step += ' --cfg-options ' + ' '.join(f"'{key}={value}'" for key, value in SHORTER.items())
            run(step.replace('epoch_30', f'epoch_{EPOCHS}'))
    return folder


def test_annotations_arrive(example):
    vocabulary = load_vocabulary(example / 'station' / 'vocabulary.yaml')
    parts = {name: json.loads((example / 'station' / f'{name}.json').read_text()) for name in ('train', 'val', 'test')}
    assert {name: len(part) for name, part in parts.items()} == dict(train=24, val=8, test=8)
    for part in parts.values():  # every class in every part
        found = {
            (hoi['category_id'], record['annotations'][hoi['object_id']]['category_id'])
            for record in part
            for hoi in record['hoi_annotation']
        }
        assert len(found) == vocabulary.num_hois == 7
    image = cv2.imread(str(example / 'station' / 'photos' / parts['train'][0]['file_name']))
    assert image.shape == (128, 128, 3)


def test_training_can_be_watched(example):
    work_dir = example / 'work_dirs' / 'station'
    assert (work_dir / f'best_hico_full_epoch_{EPOCHS}.pth').is_file() and (work_dir / f'epoch_{EPOCHS}.pth').is_file()
    (folder,) = {file.parent for file in work_dir.rglob('events.out.tfevents*')}  # it can have several files
    events = EventAccumulator(str(folder), size_guidance={IMAGES: 0, SCALARS: 0})
    events.Reload()
    # 24 images in batches of 4, twice
    (full,) = events.Scalars('hico/full')
    assert full.step == 12 and 0 <= full.value <= 1
    assert events.Scalars('loss')[-1].step == 12 and np.isfinite(events.Scalars('loss')[-1].value)
    validation = json.loads((example / 'station' / 'val.json').read_text())[:2]
    tags = [f'val_{Path(record["file_name"]).stem}' for record in validation]
    assert events.Tags()['images'] == tags
    (drawing,) = events.Images(tags[0])
    pixels = cv2.imdecode(np.frombuffer(drawing.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    # ground truth and prediction side by side, each enlarged to 480 pixels
    assert drawing.step == 12 and pixels.shape[1] > 960
    assert (example / 'curves.png').read_bytes().startswith(b'\x89PNG')


def test_predictions_become_annotations(example, monkeypatch):
    """Predictions of the detector, imported into Label Studio, accepted and exported, are those of the detector."""
    monkeypatch.chdir(example)
    files = sorted((example / 'out' / 'preds').iterdir())
    assert len(files) == 40
    for i, file in enumerate(files):  # so short a training is sure of nothing
        result = json.loads(file.read_text())
        box, obj = [10.123456, 20, 30.5, 100 / 3], [0, i + 1, 60, 128]
        hoi = dict(human_box=box, object_box=obj, object='ball', verb='carry', phrase='', score=1.9, confidence=0.9)
        file.write_text(json.dumps(result | dict(hois=[hoi])))
    run('genvlkt data export station/photos --predictions out/preds --vocabulary station/vocabulary.yaml --out-dir ls')
    assert '<Relation value="carry"' in Path('ls', 'labels.xml').read_text()
    tasks = json.loads(Path('ls', 'tasks.json').read_text())
    assert tasks[0]['predictions'][0]['score'] == pytest.approx(0.9)
    accepted = [dict(task, id=i, annotations=task['predictions']) for i, task in enumerate(tasks)]
    Path('accepted.json').write_text(json.dumps(accepted))
    records, _ = read_label_studio('accepted.json', load_vocabulary('station/vocabulary.yaml'), 'station/photos')
    assert [r['file_name'] for r in records] == [f'{i:04d}.jpg' for i in range(1, 41)]
    for i, record in enumerate(records):
        assert [a['bbox'] for a in record['annotations']] == [[10.123456, 20, 30.5, 33.333333], [0, i + 1, 60, 128]]
        assert record['hoi_annotation'] == [dict(subject_id=0, object_id=1, category_id=1)]


def test_init_writes_a_project_and_keeps_existing_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run('genvlkt data init kitchen --weights a.pth')
    assert load_vocabulary('kitchen/vocabulary.yaml').num_hois == 4
    config = Config.fromfile('kitchen/kitchen.py')
    assert config.load_from == 'a.pth' and config.model.bbox_head.num_queries == 64
    assert config.randomness.seed == 0  # the same training every time
    assert config.val_dataloader.dataset.data_root == f'{tmp_path}/kitchen/'
    assert config.default_hooks.checkpoint.save_best == 'hico/full'
    assert 'kitchen/vocabulary.yaml' in capsys.readouterr().out
    assert "'kitchen/vocabulary.yaml' exists already" in error('genvlkt data init kitchen')
    assert 'neither a config file nor a shipped config' in error('genvlkt data init other --model gen_vlkt_x')
    assert not Path('other').exists()


def test_errors_of_import_and_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run('genvlkt data init kitchen')
    coco = dict(images=[], annotations=[], categories=[])
    for content, message in (
        ({}, 'is of no known format'),
        (coco, 'boxes without interactions'),
        ([dict(id=1, annotations=[], data={})], 'has no annotated image'),
    ):
        Path('a.json').write_text(json.dumps(content))
        assert message in error('genvlkt data import a.json --vocabulary kitchen/vocabulary.yaml --out b.json')
    record = dict(file_name='a.jpg', annotations=[], hoi_annotation=[dict(subject_id=0, object_id=1, category_id=1)])
    Path('a.json').write_text(json.dumps([record]))
    assert 'has 1 errors' in error('genvlkt data split a.json --vocabulary kitchen/vocabulary.yaml --out-dir .')
