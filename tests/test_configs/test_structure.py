"""What each config builds, at its own size: layers, rows, what is frozen, how many parameters."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from mmdet.registry import MODELS
from mmengine.config import Config

from .conftest import CONFIGS

C, D, Q = 256, 512, 64  # channels, CLIP width, queries
ZERO_SHOT = {
    'rf_uc': ('rare_first', 480),
    'nf_uc': ('non_rare_first', 480),
    'uo': ('unseen_object', 500),
    'uv': ('unseen_verb', 516),
}
PAPER = [
    *(f'gen_vlkt_{size}_{data}.py' for size in 'sml' for data in ('hico', 'vcoco')),
    *(f'zero_shot/{name}_s_hico_{split}.py' for name in ('gen_vlkt', 'gen') for split in ZERO_SHOT),
    *sorted(f'ablation/{path.name}' for path in (CONFIGS / 'ablation').glob('*.py')),
]


@pytest.fixture(scope='module')
def built():
    """Builds a config's model without memory for weights, once."""
    models = {}

    def build(name):
        if name not in models:
            with torch.device('meta'):
                models[name] = MODELS.build(Config.fromfile(CONFIGS / name).model)
        return models[name]

    return build


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def cosine(rows, eval_rows=0):
    """Parameters of a text classifier: projection, layer norm, rows with bias, temperature."""
    return (C * D + D) + 2 * D + (rows + eval_rows) * (D + 1) + 1


def linear(rows):
    return rows * (C + 1)


def test_every_row_of_the_paper_is_there():
    assert len(PAPER) == 22
    assert all((CONFIGS / name).is_file() for name in PAPER)


def test_every_config_is_listed_for_mim():
    index = yaml.safe_load((CONFIGS.parent / 'model-index.yml').read_text())
    listed = {model['Config'] for model in index['Models']}
    assert {f'configs/{name}' for name in PAPER} <= listed
    assert all((CONFIGS.parent / config).is_file() for config in listed)
    names = [model['Name'] for model in index['Models']]
    assert len(names) == len(set(names))


def test_no_config_is_a_copy_of_another():
    """Each config differs from every other one, and a short name stands for one file."""
    files = [path for path in sorted(CONFIGS.rglob('*.py')) if '_base_' not in path.parts]
    assert len({path.stem for path in files}) == len(files)
    contents: dict[str, str] = {}
    for path in files:
        content = json.dumps(Config.fromfile(path).to_dict(), sort_keys=True)
        assert contents.setdefault(content, path.name) == path.name


@pytest.mark.parametrize(
    'folder', ['zero_shot', 'ablation', 'denoising', 'fractions', 'frozen_encoder', 'hoiclip', 'minihoi']
)
def test_the_folder_says_what_its_configs_are(folder):
    text = (CONFIGS / folder / 'README.md').read_text()
    for path in (CONFIGS / folder).rglob('*.py'):
        assert f'`{path.stem}`' in text, path.name


def test_the_page_of_models_gives_the_papers_figures_of_every_config():
    """Each row of the tables has a figure after each config, and none is left out."""
    page = (CONFIGS.parent / 'docs' / 'model_zoo.md').read_text()
    figures = {}
    for line in page.splitlines():
        name = None
        for cell in line.strip('| ').split(' | '):
            if '(../configs/' in cell:
                name = cell.split('(../configs/')[1].rstrip(')')
                figures[name] = []
            elif name is not None and cell.replace(' / ', '').replace('.', '').isdigit():
                figures[name].append(cell)
    assert set(figures) == set(PAPER)
    assert all(figures.values())
    # Table 4a, from section 4.4, and a baseline of Table 3
    assert figures['ablation/gen_s_hico_base_triplet.py'] == ['30.96 / 22.28 / 33.55']
    assert figures['ablation/gen_s_hico_base_verb.py'] == ['31.88 / 26.24 / 33.57']
    assert figures['ablation/gen_s_hico_wo_pge.py'] == ['31.23 / 25.38 / 32.98']
    assert figures['ablation/gen_s_hico_wo_ige.py'] == ['30.83 / 23.86 / 32.91']
    assert figures['zero_shot/gen_s_hico_uv.py'] == ['13.52 / 29.25 / 27.04']


@pytest.mark.parametrize('name', PAPER)
def test_what_all_have_in_common(built, name):
    model = built(name)
    head = model.bbox_head
    large, deep = '_l_' in name, '_m_' in name or '_l_' in name
    assert len(head.instance_decoder.layers) == len(head.interaction_decoder.layers) == (6 if large else 3)
    assert len(model.encoder.layers) == 6
    assert model.backbone.depth == (101 if deep else 50)
    assert head.num_queries == Q
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    stem = {n for n, _ in model.named_parameters() if n.startswith(('backbone.conv1', 'backbone.layer1'))}
    norms = {n for n, p in model.named_parameters() if n.startswith('backbone') and p.dim() == 1}
    rows = {n for n in frozen if n.startswith('bbox_head')}
    assert frozen == stem | norms | rows
    text_rows = {
        f'bbox_head.{n}.{kind}'
        for n in ('hoi_classifier.fc', 'hoi_classifier.eval_fc', 'obj_classifier.fc')
        for kind in ('weight', 'bias')
    }
    zero_shot = name.startswith('zero_shot/gen_vlkt')
    assert rows == (text_rows if zero_shot else set())


@pytest.mark.parametrize(('data', 'hois', 'objects'), [('hico', 600, 81), ('vcoco', 263, 82)])
@pytest.mark.parametrize('size', 'sml')
def test_classifiers_of_the_main_tables(built, size, data, hois, objects):
    head = built(f'gen_vlkt_{size}_{data}.py').bbox_head
    assert head.hoi_classifier.fc.weight.shape == (hois, D)
    assert head.obj_classifier.fc.weight.shape == (objects, D)
    assert count(head.hoi_classifier) == cosine(hois)
    assert head.loss_mimic.distance == 'l1' and head.loss_mimic.loss_weight == 20
    assert type(head.triplet_selector).__name__ == ('TopHOITriplets' if data == 'hico' else 'VerbHOITriplets')


@pytest.mark.parametrize(('suffix', 'split'), ZERO_SHOT.items())
def test_zero_shot_rows(built, suffix, split):
    zero_shot, seen = split
    name = f'zero_shot/gen_vlkt_s_hico_{suffix}.py'
    head = built(name).bbox_head
    assert head.hoi_classifier.fc.weight.shape == (seen, D)
    assert head.hoi_classifier.eval_fc.weight.shape == (600, D)
    assert count(head) - count(built('gen_vlkt_s_hico.py').bbox_head) == seen * (D + 1)
    baseline_name = f'zero_shot/gen_s_hico_{suffix}.py'
    baseline = built(baseline_name).bbox_head
    assert baseline.hoi_classifier.linear.weight.shape == (600, C)
    assert len(baseline.hoi_classifier.seen) == seen
    for config in (name, baseline_name):
        cfg = Config.fromfile(CONFIGS / config)
        loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
        assert [loader.dataset.zero_shot for loader in loaders] == [zero_shot] * 3
        assert cfg.model.bbox_head.zero_shot == zero_shot


def test_parameter_counts_of_the_ablation(built):
    full = count(built('gen_vlkt_s_hico.py'))
    base = count(built('ablation/gen_s_hico_base_triplet.py'))
    assert base == full - cosine(600) - cosine(81) + linear(600) + linear(81)
    verb = base - linear(600) + linear(117)
    expected = {
        # a: against Base-triplet, then against Base-verb
        'gen_s_hico_base_verb': verb,
        'gen_s_hico_wo_pge': verb - 2 * Q * C,  # one embedding per pair instead of human's, object's and pair's
        'gen_s_hico_wo_ige': verb + Q * C,
        # b: parts added one after another
        'gen_s_hico_hoi_text': base - linear(600) + cosine(600),
        'gen_s_hico_hoi_obj_text': full,
        # c
        'gen_vlkt_s_hico_mimic_l2': full,
        'gen_vlkt_s_hico_mimic_l1_l2': full,
    }
    assert {name: count(built(f'ablation/{name}.py')) for name in expected} == expected
    for split in ZERO_SHOT:
        assert count(built(f'zero_shot/gen_s_hico_{split}.py')) == base


@pytest.mark.parametrize(('name', 'part'), [('wo_pge', 'p-GE'), ('wo_ige', 'i-GE')])
def test_guided_embeddings_are_taken_away_from_the_classifier_of_verbs(name, part):
    expected = Config.fromfile(CONFIGS / 'ablation/gen_s_hico_base_verb.py')
    expected.model.bbox_head['without'] = part
    assert Config.fromfile(CONFIGS / f'ablation/gen_s_hico_{name}.py').to_dict() == expected.to_dict()


def test_mimic_of_the_ablation(built):
    distances = {}
    for name in PAPER:
        loss = built(name).bbox_head.loss_mimic
        distances[Path(name).stem] = loss and loss.distance
    without = {name for name, distance in distances.items() if distance is None}
    assert without == {name for name in distances if name.startswith('gen_s_')}
    assert [distances[f'gen_vlkt_s_hico{k}'] for k in ('', '_mimic_l2', '_mimic_l1_l2')] == ['l1', 'l2', 'l1+l2']


def test_learning_rates_of_plain_classifiers(built):
    """Only rows that are text learn slowly."""
    cfg = Config.fromfile(CONFIGS / 'ablation/gen_s_hico_hoi_text.py')
    slow = [key for key in cfg.optim_wrapper.paramwise_cfg.custom_keys if key != 'backbone']
    names = [n for n, _ in built('ablation/gen_s_hico_hoi_text.py').named_parameters()]
    hit = {n for n in names if any(key in n for key in slow)}
    assert hit == {'bbox_head.hoi_classifier.fc.weight', 'bbox_head.hoi_classifier.fc.bias'}


def test_noisy_queries_are_all_that_denoising_adds(built):
    plain, noisy = built('gen_vlkt_s_hico.py'), built('denoising/gen_vlkt_s_hico_denoising.py')
    head = noisy.bbox_head
    assert count(noisy) - count(plain) == 2 * (2 * C + 1) * C + (D + 1) * C
    assert [head.denoising.num_groups(pairs) for pairs in (1, 5, 100)] == [64, 12, 1]
    assert head.denoising.object_labels.shape == (80,)


@pytest.mark.parametrize('path', sorted(CONFIGS.rglob('fractions/*.py')), ids=lambda path: path.stem)
def test_fractions_change_the_training_images_alone(path):
    """The number in the name is the share of the images. Nothing else changes, but the file with verb rows of these images."""
    cfg = Config.fromfile(path)
    name, share = path.stem.split('_frac_')[0], int(path.stem.rpartition('_')[2])
    name = 'gen_vlkt_tiny_minihoi_short' if name == 'gen_vlkt_tiny_minihoi' else name
    whole = Config.fromfile(next(CONFIGS.rglob(f'{name}.py')))
    assert cfg.train_dataloader.dataset.fraction == share / 100
    del cfg.train_dataloader.dataset['fraction']
    assert cfg.train_dataloader == whole.train_dataloader and cfg.test_dataloader == whole.test_dataloader
    assert cfg.train_cfg == whole.train_cfg and cfg.param_scheduler == whole.param_scheduler
    if 'hoiclip_hico' in path.stem:
        classifier = cfg.model.bbox_head.hoi_classifier
        assert classifier.verb_embeddings.endswith(f'_frac_{share}.safetensors')
        classifier.verb_embeddings = whole.model.bbox_head.hoi_classifier.verb_embeddings
    assert cfg.model == whole.model


@pytest.mark.parametrize('name', ['gen_vlkt_tiny_minihoi', 'hoiclip_tiny_minihoi'])
def test_hard_scenes_are_all_that_differs(name):
    cfg = Config.fromfile(CONFIGS / f'minihoi/hard/{name}_hard.py')
    whole = Config.fromfile(CONFIGS / f'minihoi/{name.replace("vlkt_tiny_minihoi", "vlkt_tiny_minihoi_short")}.py')
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        assert dataset.data_root != whole[f'{split}_dataloader'].dataset.data_root
        assert dataset.pop('render') == dict(difficulty='hard')
        dataset.data_root = whole[f'{split}_dataloader'].dataset.data_root
        assert cfg[f'{split}_dataloader'] == whole[f'{split}_dataloader']
    assert cfg.model == whole.model and cfg.train_cfg == whole.train_cfg
