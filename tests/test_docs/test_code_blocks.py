"""Every Python block of every page runs, in the order of the page, but for those that say why not."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.minihoi import rendering
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.docs_pages import PAGES, ROOT, read_blocks

MODEL = 'gen_vlkt_tiny_minihoi'
# What pages show with the paper's model runs with the small one, and without network.
SMALLER = {
    'gen_vlkt_s_hico': MODEL,
    "model_name='ViT-B-32-quickgelu', pretrained='openai'": "model_name='genvlkt://tiny_clip'",
}
RUNNABLE = [page for page in PAGES if any(block.why_not_run is None for block in read_blocks(page, 'python'))]


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A checkpoint of the small model as a training writes it. It is untrained, but sure of every class."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs' / f'{MODEL}.py')
    cfg.model.pretrained_detr = None
    model = MODELS.build(cfg.model)
    model.bbox_head.init_weights()
    for name, parameter in model.named_parameters():
        if name.endswith('classifier.fc.bias'):
            torch.nn.init.constant_(parameter, 1)
    file = tmp_path_factory.mktemp('weights') / f'{MODEL}.pth'
    meta = dict(cfg=cfg.pretty_text, dataset_meta=dict(vocabulary=load_vocabulary('minihoi').to_dict()))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), file)
    return file


@pytest.fixture
def folder(tmp_path, monkeypatch, weights):
    """A folder with the files that pages name, as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setitem(rendering.SPLIT_SIZES, 'test', 8)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    shutil.copy(weights, tmp_path)
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    cv2.imwrite('photo.jpg', image)
    rendered = Path('scenes/images/test/000000.jpg')  # as `genvlkt data render scenes` writes it
    rendered.parent.mkdir(parents=True)
    shutil.copy(asset_path('example.jpg'), rendered)
    Path('phrases.txt').write_text('a person feeding an okapi\nride, zebra\n')
    boxes = dict(human=[10, 10, 50, 90], object=[40, 40, 100, 90])
    record = dict(
        file_name='0.jpg',
        annotations=[dict(bbox=boxes['human'], category_id=1), dict(bbox=boxes['object'], category_id=19)],
        hoi_annotation=[dict(subject_id=0, object_id=1, category_id=77, hoi_category_id=155)],
    )
    Path('test_hico.json').write_text(json.dumps([record]))
    result = dict(
        file_name='0.jpg', human_boxes=[boxes['human']], object_boxes=[boxes['object']], labels=[154], scores=[1.5]
    )
    Path('X.results.json').write_text(json.dumps([result]))
    return tmp_path


@pytest.fixture
def registries(monkeypatch):
    """Registries that forget what a page has registered."""
    for registry in (DATASETS, METRICS, MODELS):
        monkeypatch.setattr(registry, '_module_dict', dict(registry.module_dict))


def run(page: Path, names: dict) -> dict:
    """Runs a page's blocks in one namespace; failures point to the line of the page."""
    for block in read_blocks(page, 'python'):
        if block.why_not_run is None:
            code = block.code
            for shown, smaller in SMALLER.items():
                code = code.replace(shown, smaller)
            exec(compile('\n' * (block.line - 1) + code, str(page), 'exec'), names)
    return names


@pytest.mark.parametrize('page', RUNNABLE, ids=lambda page: page.stem)
def test_blocks_run(page, folder, registries, weights, capsys):
    if any('video' in block.code for block in read_blocks(page, 'python')):
        pytest.importorskip('trackers', reason='the page needs the extra `video`')
    names = dict(HOIInferencer=HOIInferencer)
    if page.stem == 'open_vocabulary':
        names['model'] = HOIInferencer(MODEL, weights=str(weights), device='cpu', show_progress=False).model
    run(page, names)
    CHECKS.get(page.stem, lambda *_: None)(names, capsys.readouterr().out)


def check_printed_triplets(names: dict, printed: str) -> None:
    lines = [line for line in printed.splitlines() if line.startswith(('1.', '2.'))]
    assert lines and all('person' in line and '[' in line for line in lines)


def check_evaluation(names: dict, printed: str) -> None:
    assert names['summary']['default']['ap'][154] == 1


def check_open_vocabulary(names: dict, printed: str) -> None:
    assert names['vocabulary'].hoi_prompts == (
        'a photo of a person feeding an okapi',
        'a photo of a person riding a zebra',
    )
    assert Path('phrases.safetensors').is_file()


def check_inference(names: dict, printed: str) -> None:
    check_printed_triplets(names, printed)
    assert cv2.imread('docs/images/inference.jpg').std() > 10


def check_extending(names: dict, printed: str) -> None:
    """Trains a step with the page's parts and evaluates with its metric."""
    cfg, vocabulary = names['cfg'], load_vocabulary('minihoi')
    cv2.imwrite('0.jpg', np.zeros((128, 128, 3), np.uint8))
    obj, verb = vocabulary.object_ids[vocabulary.hoi_objects[0]], vocabulary.verb_ids[vocabulary.hoi_verbs[0]]
    Path('train.csv').write_text(f'0.jpg,10,10,60,100,50,50,110,110,{obj},{verb}\n')
    dataset = dict(type='CSVDataset', vocabulary='minihoi', ann_file='train.csv', data_prefix=dict(img=''))
    train = DATASETS.build(dict(dataset, pipeline=cfg.train_dataloader.dataset.pipeline))
    test = DATASETS.build(dict(dataset, pipeline=cfg.test_dataloader.dataset.pipeline, test_mode=True))

    cfg.model.pretrained_detr = None
    model = MODELS.build(cfg.model)
    model.bbox_head.init_weights()
    assert type(model.bbox_head).__name__ == 'ObjectGuidedHead'
    batch = {key: [train[0][key]] for key in ('inputs', 'data_samples')}
    losses, _ = model.parse_losses(model(**model.data_preprocessor(batch, True), mode='loss'))
    losses.backward()
    assert model.bbox_head.object_embed.weight.grad.abs().sum() > 0
    logits, targets = torch.zeros(1, 2, 3), torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    assert model.bbox_head.loss_hoi(logits, targets).item() == pytest.approx(2 * 6 * np.log(2) / 2)

    metric = METRICS.build(cfg.val_evaluator[1])
    metric.dataset_meta = test.metainfo
    sample = test[0]['data_samples']
    gt = sample.eval_gt.triplets
    gt = dict(human_boxes=gt.human_boxes, object_boxes=gt.object_boxes, hoi_labels=gt.labels)
    for shift, recall in ((0, 1.0), (100, 0.0)):
        pred = {key: torch.from_numpy(gt[key]) + (shift if key.endswith('boxes') else 0) for key in gt}
        sample.pred_hois = InstanceData(**pred, scores=torch.ones(1))
        metric.process(None, [sample.to_dict()])
        assert metric.evaluate(1) == {'recall/iou_50': recall}


CHECKS = dict(
    README=check_printed_triplets,
    evaluation=check_evaluation,
    inference=check_inference,
    open_vocabulary=check_open_vocabulary,
    extending=check_extending,
)


def test_a_block_that_does_not_run_says_why():
    reasons = {
        f'{page.stem}:{b.line}': b.why_not_run for page in PAGES for b in read_blocks(page, 'python') if b.why_not_run
    }
    assert list(reasons) == [key for key in reasons if len(reasons[key].split()) > 2]
    assert {key.partition(':')[0] for key in reasons} <= {'analysis', 'custom_data', 'export', 'scale', 'serve', 'web'}
