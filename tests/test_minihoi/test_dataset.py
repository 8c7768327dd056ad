import json
import pickle
from pathlib import Path

import mmcv
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from genvlkt_mmdet.minihoi import MiniHOIDataset
from genvlkt_mmdet.vocabulary import load_vocabulary

RENDER = dict(sizes=dict(train=40, test=20), workers=1, progress=False)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return tmp_path_factory.mktemp('data') / 'minihoi'


def config(root, split='train', **kwargs):
    return dict(
        type='MiniHOIDataset',
        data_root=str(root),
        ann_file=f'annotations/{split}.json',
        data_prefix=dict(img=f'images/{split}/'),
        render=RENDER,
        pipeline=[
            dict(type='LoadHOIImage'),
            dict(type='LoadHOIAnnotations', with_bbox=True),
            dict(type='PackHOIInputs'),
        ],
        **kwargs,
    )


def test_renders_on_first_use_and_gives_pairs(root):
    dataset = DATASETS.build(config(root))
    assert (root / 'images' / 'train').is_dir() and not (root / 'images' / 'test').exists()
    entries = [e for e in json.loads((root / 'annotations' / 'train.json').read_text()) if e['hoi_annotation']]
    assert len(dataset) == len(entries)
    for i, entry in enumerate(entries):
        item = dataset.get_data_info(i)
        assert [x['bbox_label'] + 1 for x in item['instances']] == [a['category_id'] for a in entry['annotations']]
        pairs = item['pairs']
        triplets = {
            (int(pairs['human_ids'][p]), int(pairs['object_ids'][p]), int(hoi) + 1)
            for p, hoi in np.argwhere(pairs['hoi_labels'])
        }
        assert triplets == {(h['subject_id'], h['object_id'], h['hoi_category_id']) for h in entry['hoi_annotation']}
    packed = dataset[0]
    assert tuple(packed['inputs'].shape) == (3, 128, 128)
    assert len(packed['data_samples'].gt_pairs.hoi_labels) == len(dataset.get_data_info(0)['pairs']['human_ids'])
    assert dataset.metainfo['dataset_name'] == 'minihoi'
    assert len(pickle.loads(pickle.dumps(dataset))) == len(entries)


def test_the_test_pipeline_keeps_the_rendered_pixels(root):
    base = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets' / 'minihoi.py'
    cfg = config(root, 'test', test_mode=True) | dict(pipeline=Config.fromfile(base).test_pipeline)
    dataset = DATASETS.build(cfg)
    for i in range(len(dataset)):
        packed = dataset[i]
        sample = packed['data_samples']
        image = mmcv.imread(sample.img_path, channel_order='bgr')
        assert np.array_equal(packed['inputs'].permute(1, 2, 0).numpy(), image)
        assert sample.img_shape == sample.ori_shape == (128, 128) and tuple(sample.scale_factor) == (1.0, 1.0)


def test_testing_keeps_images_without_pairs(root):
    dataset = MiniHOIDataset(**{k: v for k, v in config(root, 'test', test_mode=True).items() if k != 'type'})
    assert len(dataset) == 20
    entries = json.loads((root / 'annotations' / 'test.json').read_text())
    for i, entry in enumerate(entries):
        labels = dataset.get_data_info(i)['eval_gt'].triplets.labels
        assert labels.tolist() == [h['hoi_category_id'] - 1 for h in entry['hoi_annotation']]


@pytest.mark.parametrize('split', ['rare_first', 'non_rare_first', 'unseen_object', 'unseen_verb'])
def test_zero_shot_training_never_sees_an_unseen_class(root, split):
    vocab = load_vocabulary('minihoi')
    dataset = DATASETS.build(config(root, zero_shot=split))
    full = DATASETS.build(config(root))
    seen = vocab.seen(split)
    pairs = [dataset.get_data_info(i)['pairs'] for i in range(len(dataset))]
    assert all(p['hoi_labels'].shape[1] == len(seen) for p in pairs)
    kept = np.sum([p['hoi_labels'].sum(0) for p in pairs], axis=0)
    counts = np.zeros(vocab.num_hois)
    for i in range(len(full)):
        labels = full.get_data_info(i)['pairs']['hoi_labels']
        counts += labels[labels[:, vocab.unseen(split)].sum(1) == 0].sum(0)
    assert kept.tolist() == counts[list(seen)].tolist() and counts[list(vocab.unseen(split))].sum() == 0


def test_wrong_files_have_clear_errors(root, tmp_path):
    with pytest.raises(
        ValueError, match="annotations/trainn.json' names no split of MiniHOI.*pretrain, train, val, test"
    ):
        DATASETS.build(config(tmp_path, 'trainn'))
    DATASETS.build(config(root))
    with pytest.raises(FileExistsError, match='was rendered with seed 0 instead of 2'):
        DATASETS.build({**config(root), 'render': dict(RENDER, seed=2)})
    with pytest.raises(FileNotFoundError, match='render it with `genvlkt data render`'):
        DATASETS.build({**config(tmp_path), 'render': None})
    assert len(DATASETS.build({**config(root), 'render': None})) > 30


def test_finds_potential_pairs_on_first_use(tmp_path):
    """Without the annotations of sheep, detector and CLIP find them again."""
    init_default_scope('mmdet')
    settings = dict(
        file='potential_pairs/train.json',
        detector=dict(config='detr_tiny_minihoi', checkpoint='genvlkt://detr_tiny_minihoi.pth'),
        clip='genvlkt://tiny_clip',
        zoom=False,
    )
    render = dict(sizes=dict(train=120), workers=1, progress=False)
    root = tmp_path / 'minihoi'
    arguments = dict(config(root, zero_shot='unseen_object', potential_pairs=settings), render=render)
    dataset = DATASETS.build(arguments)
    unseen = list(load_vocabulary('minihoi').unseen('unseen_object'))
    named = annotated = 0
    entries = {e['file_name']: e for e in json.loads((root / 'annotations' / 'train.json').read_text())}
    for i in range(len(dataset)):
        item = dataset.get_data_info(i)
        classes = set(item['pairs']['hoi_labels'].argmax(1).tolist())
        truth = {h['hoi_category_id'] - 1 for h in entries[Path(item['img_path']).name]['hoi_annotation']}
        named += len(classes & truth & set(unseen))
        annotated += len(truth & set(unseen))
    assert annotated >= 5 and named >= 0.6 * annotated
    written = (root / 'potential_pairs' / 'train.json').stat().st_mtime_ns
    assert len(DATASETS.build(arguments)) == len(dataset)
    assert (root / 'potential_pairs' / 'train.json').stat().st_mtime_ns == written
    with pytest.raises(ValueError, match='another vocabulary, detector or CLIP'):
        DATASETS.build(dict(arguments, potential_pairs=dict(settings, score_thr=0.9)))
