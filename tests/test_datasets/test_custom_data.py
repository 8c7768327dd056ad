"""docs/custom_data.md, word by word: its vocabulary, its annotations and its config train and evaluate."""

import json

import cv2
import numpy as np
import pytest

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.engine import train_model, training_config
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.docs_pages import ROOT, read_blocks


@pytest.fixture
def kitchen(tmp_path, monkeypatch):
    """The files of the page, with a config whose base is the small model; the page's model would train for minutes."""
    blocks = {block.language: block.code for block in read_blocks(ROOT / 'docs' / 'custom_data.md')}
    folder = tmp_path / 'kitchen'
    (folder / 'photos').mkdir(parents=True)
    (folder / 'vocabulary.yaml').write_text(blocks['yaml'])
    for part in ('train', 'val', 'test'):
        (folder / f'{part}.json').write_text(blocks['json'])
    base = "_base_ = '../configs/gen_vlkt_s_hico.py'"
    assert base in blocks['python'] and (ROOT / 'configs' / 'gen_vlkt_s_hico.py').is_file()
    small = f"_base_ = '{(ROOT / 'configs' / 'gen_vlkt_tiny_minihoi.py').as_posix()}'"
    (folder / 'config.py').write_text(blocks['python'].replace(base, small))
    rng = np.random.default_rng(0)
    for record in json.loads(blocks['json']):
        image = rng.integers(0, 256, (record['height'], record['width'], 3), dtype=np.uint8)
        cv2.imwrite(str(folder / 'photos' / record['file_name']), image)
    monkeypatch.chdir(tmp_path)
    return folder


def test_page_trains_and_evaluates(kitchen, tmp_path):
    # no CLIP: this test is about data
    linear = dict(_delete_=True, type='LinearClassifier')
    plain = {'hoi_classifier': linear, 'obj_classifier': dict(linear), 'loss_mimic': None}
    options = {f'model.bbox_head.{key}': value for key, value in plain.items()}
    options |= {'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 1}
    options |= {f'{part}_dataloader.num_workers': 0 for part in ('train', 'val', 'test')}
    options |= {f'{part}_dataloader.persistent_workers': False for part in ('train', 'val', 'test')}
    options |= {'train_dataloader.batch_size': 2, 'val_dataloader.batch_size': 2}
    config = training_config(str(kitchen / 'config.py'), work_dir=str(tmp_path / 'work'), cfg_options=options)
    assert config.train_dataloader.dataset.type == 'HOIDataset'
    model = train_model(config)
    assert model.bbox_head.hoi_classifier.linear.out_features == 4

    log = next((tmp_path / 'work').rglob('scalars.json')).read_text().splitlines()
    metrics = {key: value for line in log for key, value in json.loads(line).items()}
    assert {'loss'} <= set(metrics)
    full = [value for key, value in metrics.items() if key.endswith('/full') and 'known' not in key]
    assert full and all(0 <= value <= 1 for value in full)

    inferencer = HOIInferencer(weights=str(tmp_path / 'work' / 'epoch_1.pth'), device='cpu')
    (predictions,) = inferencer(str(kitchen / 'photos' / '0001.jpg'), pred_score_thr=0)['predictions']
    phrases = {load_vocabulary(kitchen / 'vocabulary.yaml').phrase(i) for i in range(4)}
    assert predictions and {p['phrase'] for p in predictions} <= phrases


def test_page_checks_clean_and_shows_itself(kitchen, run_tool):
    files = [kitchen / 'train.json', '--vocabulary', kitchen / 'vocabulary.yaml', '--images', kitchen / 'photos']
    out, code = run_tool('analysis_tools/check_dataset.py', *files)
    assert code is None and 'Errors: none' in out and 'person chopping an onion' in out
    out, code = run_tool('analysis_tools/browse_dataset.py', kitchen / 'config.py', '--out-dir', kitchen / 'look')
    assert code is None and out.startswith('2 images in')
    for path in (kitchen / 'look').iterdir():
        image = cv2.imread(str(path))
        # enlarged input, then a gap, then twice the 64 pixels of the small CLIP
        assert image.shape == (480, 640 + 12 + 128, 3)
        assert image[:, :640].std() > 10 and image[:128, -128:].std() > 10
    _, code = run_tool('analysis_tools/browse_dataset.py', kitchen / 'vocabulary.yaml')
    assert code.startswith('error: ')


def test_annotations_of_the_page_mean_what_it_says(kitchen):
    from genvlkt_mmdet.datasets import HOIDataset

    dataset = HOIDataset(
        data_root=str(kitchen),
        ann_file='train.json',
        vocabulary=kitchen / 'vocabulary.yaml',
        data_prefix=dict(img='photos'),
    )
    pairs = dataset.get_data_info(0)['pairs']
    assert pairs['object_ids'].tolist() == [1, 2]
    assert pairs['hoi_labels'].tolist() == [[0, 1, 1, 0], [0, 0, 0, 1]]
