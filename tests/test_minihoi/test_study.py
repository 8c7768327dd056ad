"""The ablation study: rows differ only in what they compare, results are kept, verdicts follow from the numbers."""

from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from genvlkt_mmdet.apis.configs import CONFIGS
from genvlkt_mmdet.minihoi.study import reproduce, reproduce_ablation
from genvlkt_mmdet.minihoi.study.page import BEGIN, END, Study, render, spread, update, verdict
from genvlkt_mmdet.minihoi.study.results import Result, read_results, write_results
from genvlkt_mmdet.minihoi.study.runs import digest, load_run, run, seen_only
from genvlkt_mmdet.minihoi.study.tables import (
    BASE,
    BASE_VERB,
    FULL,
    ORDERINGS,
    ROWS,
    SPLITS,
    WITHOUT_IGE,
    WITHOUT_PGE,
    Ordering,
    configs_of,
)
from genvlkt_mmdet.vocabulary import load_vocabulary

pytestmark = pytest.mark.slow
RESULT = Result(
    config=FULL,
    seed=0,
    digest='0123abcd',
    images=6000,
    full=0.5,
    rare=0.25,
    non_rare=0.6,
    unseen=None,
    seen=None,
    phrases_unseen=None,
    minutes=1.5,
    date='2026-11-23',
    ap=(0.25, 0.75),
)


def settings(config: str) -> dict:
    return Config.fromfile(CONFIGS / config).to_dict()


def test_rows_share_all_but_what_they_compare():
    full = settings(FULL)
    for row in ROWS:
        other = settings(row.config)
        for key in ('train_cfg', 'optim_wrapper', 'param_scheduler', 'test_evaluator'):
            assert other[key] == full[key], (row.config, key)
        split = SPLITS[row.split][0] if row.split else None
        assert other['model']['bbox_head'].get('zero_shot') == split
        for part in ('train', 'val', 'test'):
            theirs, ours = other[f'{part}_dataloader'], full[f'{part}_dataloader']
            assert theirs['dataset'].pop('zero_shot', None) == split
            assert theirs == ours
        head, full_head = other['model'].pop('bbox_head'), full['model']['bbox_head']
        assert other['model'] == {key: value for key, value in full['model'].items() if key != 'bbox_head'}
        changed = {key for key in head.keys() | full_head.keys() if head.get(key) != full_head.get(key)}
        assert changed <= {'type', 'without', 'zero_shot', 'hoi_classifier', 'obj_classifier', 'loss_mimic'}
        if row.label == 'baseline' or row.table == '4a':
            assert changed >= {'hoi_classifier', 'obj_classifier', 'loss_mimic'} and head['loss_mimic'] is None


@pytest.mark.parametrize(('config', 'part'), [(WITHOUT_PGE, 'p-GE'), (WITHOUT_IGE, 'i-GE')])
def test_guided_embeddings_are_taken_away_from_the_classifier_of_verbs(config, part):
    """Section 4.4: both rows of Table 4a start from Base-verb."""
    expected = settings(BASE_VERB)
    expected['model']['bbox_head']['without'] = part
    assert settings(config) == expected
    compared = {ordering.worse: ordering.better for ordering in ORDERINGS if ordering.claim.startswith(part)}
    assert compared == {config: BASE_VERB}


def test_each_table_has_its_rows():
    assert {table: len(configs_of([table])) for table in ('3', '4a', '4b', '4c')} == {
        '3': 12,
        '4a': 4,
        '4b': 6,
        '4c': 4,
    }
    assert len(configs_of(['4a', '4b'])) == 9, 'the base is trained once for both'
    known = {row.config for row in ROWS}
    assert all({ordering.better, ordering.worse} <= known for ordering in ORDERINGS)


def test_digest_tells_settings_and_not_seeds(tmp_path):
    first, second = load_run(FULL, 0, tmp_path), load_run(FULL, 1, tmp_path)
    assert (first.randomness.seed, second.randomness.seed) == (0, 1)
    assert digest(first) == digest(second)
    assert len({digest(load_run(config, 0, tmp_path)) for config in configs_of(['3', '4a', '4b', '4c'])}) == 24
    second.optim_wrapper.optimizer.lr = 0.1
    assert digest(first) != digest(second)


def test_published_results_are_of_the_present_settings(tmp_path):
    """A change of a config makes its published results another experiment's: run the tool again, or change it back."""
    docs = Path(__file__).resolve().parents[2] / 'docs'
    results = read_results(docs / 'ablation.csv')
    current = {config: digest(load_run(config, 0, tmp_path)) for config in configs_of(['3', '4a', '4b', '4c'])}
    assert {result.config: result.digest for result in results} == current
    assert sorted(result.key for result in results) == sorted((config, seed) for config in current for seed in range(3))
    page = (docs / 'ablation.md').read_text()
    assert page.split(BEGIN)[1].split(END)[0].strip() == render(Study(results))


def test_results_come_back_and_the_last_of_a_seed_counts(tmp_path):
    path = tmp_path / 'new' / 'results.csv'
    assert read_results(path) == []
    zero_shot = replace(RESULT, config=BASE, unseen=0.125, seen=0.5, phrases_unseen=0.0625)
    write_results(path, [RESULT, zero_shot, replace(RESULT, seed=1), replace(RESULT, full=0.75)])
    assert read_results(path) == [zero_shot, replace(RESULT, full=0.75), replace(RESULT, seed=1)]
    assert [file.name for file in path.parent.iterdir()] == ['results.csv']


def test_a_torn_line_counts_as_not_run(tmp_path):
    path = tmp_path / 'results.csv'
    write_results(path, [RESULT, replace(RESULT, seed=1)])
    path.write_text(path.read_text()[:-40])
    with pytest.warns(UserWarning, match='results.csv, line 3 is incomplete'):
        assert read_results(path) == [RESULT]


def test_verdict_needs_all_seeds():
    assert verdict([0.1, 2.0]) == 'holds'
    assert verdict([-0.1, -2.0]) == 'does not hold'
    assert verdict([-0.1, 9.0]) == 'not settled'
    assert verdict([9.0]) == 'not settled', 'one seed settles nothing'
    assert verdict([]) == '-'
    assert spread([10.0, 12.0, 14.0]) == '12.0 ± 2.0'
    assert spread([10.0]) == '10.0'


def test_differences_pair_the_seeds():
    study = Study(
        [RESULT, replace(RESULT, seed=2, full=0.6), replace(RESULT, config=BASE, seed=2, full=0.5)]
        + [replace(RESULT, config=BASE, seed=1, full=0.1)]
    )
    assert study.differences(Ordering('', FULL, BASE, 'full')) == pytest.approx([10.0])
    assert study.class_mean(FULL, [1]) == {0: 75.0, 2: 75.0}
    assert study.values(FULL, 'unseen') == {}


def test_page_shows_what_was_run(tmp_path):
    ap = tuple(i / 100 for i in range(46))
    runs = [replace(RESULT, ap=ap, seed=seed, full=0.5 + 0.02 * seed) for seed in range(2)]
    runs += [replace(RESULT, ap=ap, config=BASE, seed=seed, full=0.4) for seed in range(2)]
    l2 = 'minihoi/ablation/gen_vlkt_tiny_minihoi_mimic_l2.py'
    runs += [replace(RESULT, ap=ap, config=l2, seed=seed, full=0.51) for seed in range(2)]
    text = render(Study(runs))
    assert '| L1 beats L2 | full | +0.0 | -1.0, +1.0 | not settled |' in text
    assert f'| [L1 (GEN-VLKT)](../configs/{FULL}) | 51.0 ± 1.4 | 25.0 ± 0.0 | 60.0 ± 0.0 | 2 |' in text
    unseen = load_vocabulary('minihoi').unseen('rare_first')
    assert f'| RF-UC (9 classes) | - | {sum(unseen) / 9:.1f} ± 0.0 |' in text
    page = tmp_path / 'page.md'
    page.write_text(f'above\n{BEGIN}\nold\n{END}\nbelow\n')
    update(page, text)
    update(page, text)
    assert page.read_text() == f'above\n{BEGIN}\n{text}\n{END}\nbelow\n'
    page.write_text('no markers')
    with pytest.raises(ValueError, match='page.md needs the lines'):
        update(page, text)


@pytest.mark.parametrize(
    ('split', 'verbs', 'objects', 'hois'),
    [('rare_first', 8, 10, 37), ('non_rare_first', 8, 10, 37), ('unseen_object', 8, 9, 41), ('unseen_verb', 7, 10, 40)],
)
def test_nothing_is_left_of_unseen_classes(split, verbs, objects, hois):
    whole = load_vocabulary('minihoi')
    data, kept = seen_only(whole, split)
    part = load_vocabulary(data)
    assert (part.num_verbs, part.num_objects, part.num_hois) == (verbs, objects, hois)
    assert [whole.object_names[i] for i in kept] == list(part.object_names)
    assert part.hoi_prompts == tuple(whole.hoi_prompts[i] for i in whole.seen(split))
    for index, prompt in enumerate(part.hoi_prompts):
        verb, obj = part.verb_phrases[part.hoi_verbs[index]], part.object_names[part.hoi_objects[index]]
        assert prompt.startswith(f'a photo of a person {verb} a') and prompt.endswith(f' {obj}')
    assert part.object_prompts[-1] == whole.object_prompts[-1]


@pytest.fixture
def small_study(tmp_path, monkeypatch) -> Path:
    """Folder of the study's page. Three configs run, each with two steps of four images and eight images to test."""
    docs = tmp_path / 'docs'
    docs.mkdir()
    (docs / 'ablation.md').write_text(f'# Ablation\n{BEGIN}\n{END}\n')

    def small(config, seed, work_dir):
        cfg = load_run(config, seed, work_dir)
        cfg.train_cfg.max_iters = 2
        cfg.train_dataloader.batch_size = 4
        for part, count in (('train', 16), ('test', 8)):
            dataset = cfg[f'{part}_dataloader'].dataset
            dataset.data_root = str(tmp_path / 'data') + '/'
            dataset.render = dict(sizes={part: count}, workers=1, progress=False)
        return cfg

    monkeypatch.setattr(reproduce, 'load_run', small)
    monkeypatch.setattr(reproduce, 'configs_of', lambda tables: configs_of(['4c'])[:3])
    return docs


def test_a_rerun_does_only_what_is_missing(small_study, tmp_path, capsys):
    reproduce_ablation(small_study, tmp_path / 'work', ['4c'], [0])
    first = read_results(small_study / 'ablation.csv')
    assert {(result.config, result.seed, result.images) for result in first} == {
        (config, 0, 8) for config in configs_of(['4c'])[:3]
    }
    for result in first:
        whole = load_vocabulary('minihoi')
        rare = [result.ap[i] for i in whole.rare]
        assert len(result.ap) == 46 and result.rare == pytest.approx(sum(rare) / len(rare), abs=1e-4)
    # one line is lost, one is of other settings: both are made again, with the same figures
    write_results(small_study / 'ablation.csv', [first[0], replace(first[1], digest='00000000')])
    capsys.readouterr()
    reproduce_ablation(small_study, tmp_path / 'work', ['4c'], [0])
    assert '1 runs were done before, 2 now' in capsys.readouterr().out
    again = read_results(small_study / 'ablation.csv')
    assert [replace(result, minutes=0) for result in again] == [replace(result, minutes=0) for result in first]
    assert (small_study / 'images' / 'ablation.png').stat().st_size > 10_000
    assert '3 runs, ' in (small_study / 'ablation.md').read_text()


def test_phrases_alone_find_what_the_zero_shot_rows_find(small_study, tmp_path):
    config = 'minihoi/zero_shot/gen_vlkt_tiny_minihoi_uo.py'
    cfg = reproduce.load_run(config, 0, tmp_path)
    result = run(config, cfg)
    assert result.unseen is not None and result.seen is not None
    assert result.phrases_unseen == pytest.approx(result.unseen, abs=1e-6)


def test_a_folder_without_the_page_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='ablation.md does not exist: --docs is the folder of the page.'):
        reproduce_ablation(tmp_path, tmp_path / 'work')
