"""The comparison of an exported model with its checkpoint: what counts as equal, as a near tie, and as a fault."""

import dataclasses

import numpy as np
import pytest

from genvlkt_mmdet.apis import check_export, export_model
from genvlkt_mmdet.apis.export_check import ExportComparison, compare_triplets, comparison_table
from genvlkt_mmdet.cli import run_verb
from genvlkt_mmdet.minihoi.scenes import render_scene, sample_scene
from genvlkt_mmdet.structures.selection import TripletNMS, TripletSelection

CONFIG, WEIGHTS = 'gen_vlkt_tiny_minihoi', 'genvlkt://gen_vlkt_tiny_minihoi.pth'
BOX, FAR = [0.0, 0, 99, 99], [200.0, 200, 299, 299]


def triplets(*entries):
    """Triplets of (query, class, box)."""
    boxes = np.array([box for _, _, box in entries], dtype=np.float64).reshape(-1, 4)
    queries, hois = (np.array([entry[i] for entry in entries], dtype=int) for i in (0, 1))
    return dict(query_ids=queries, hoi_labels=hois, human_boxes=boxes, object_boxes=boxes)


def compare(one, other, scores, keep=100, nms=True):
    selection = TripletSelection(keep, TripletNMS() if nms else None)
    return compare_triplets(one, other, np.array(scores, dtype=float), selection)


def test_the_same_triplets_are_equal():
    one = triplets((0, 0, BOX), (1, 0, FAR))
    assert compare(one, triplets((1, 0, FAR), (0, 0, BOX)), [[1.0], [0.5]]) == (0, 0)


def test_near_ties_at_the_last_place():
    one, other = triplets((0, 0, BOX), (1, 0, FAR)), triplets((0, 0, BOX), (2, 0, [400.0, 0, 499, 99]))
    assert compare(one, other, [[1.0], [0.5], [0.50005]], keep=2) == (2, 0)
    assert compare(one, other, [[1.0], [0.5], [0.51]], keep=2) == (1, 1)  # the last one that enters has 0.51


def test_near_ties_of_nms():
    one, other = triplets((0, 0, BOX)), triplets((1, 0, BOX))  # each suppresses the other
    assert compare(one, other, [[0.9], [0.9001]]) == (2, 0)
    assert compare(one, other, [[0.9], [0.8]]) == (0, 2)
    assert compare(one, other, [[0.9], [0.9001]], nms=False) == (0, 2)
    # 'near' overlaps with BOX by just the threshold: (a / 100) ** 1.5 = 0.7 for a width of a
    near = [0.0, 0, 100 * 0.7 ** (2 / 3) - 1, 99]
    assert compare(triplets((0, 0, BOX)), triplets((0, 0, BOX), (1, 0, near)), [[0.9], [0.5]]) == (1, 0)
    # Query 2 has a lower score, and is suppressed by 1 alone, which is in a tie with 0.
    middle, low = [0.0, 0, 99, 85], [0.0, 0, 99, 68]
    one, other = triplets((0, 0, BOX), (2, 0, low)), triplets((1, 0, middle))
    assert compare(one, other, [[0.9], [0.9001], [0.3]]) == (3, 0)


def test_limits():
    good = ExportComparison(1, 5, 9, logits=1e-4, boxes=1e-5, scores=1e-5, num_ties=3, num_different=0)
    assert good.equal
    for change in (dict(logits=2e-3), dict(boxes=2e-4), dict(scores=2e-4), dict(num_different=1), dict(logits=np.nan)):
        assert not dataclasses.replace(good, **change).equal
    assert '1.0e-04' in comparison_table([('x', good)])


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    return export_model(CONFIG, WEIGHTS, tmp_path_factory.mktemp('pt2') / 'model.pt2')


def test_check_of_a_file(file, tmp_path, monkeypatch):
    images = [
        np.ascontiguousarray(render_scene(sample_scene(np.random.default_rng(i)))[0][..., ::-1]) for i in range(3)
    ]
    vocabularies = (None, [('hold', 'cup'), 'a person washing a unicorn'])
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path))
    found = check_export(CONFIG, WEIGHTS, file, images, vocabularies, batch_size=2)
    assert [own.num_classes for own in found] == [46, 2] and all(own.equal and own.num_images == 3 for own in found)
    assert all(0 < own.logits < 1e-3 and own.num_triplets > 10 for own in found)


def test_command_line(file, tmp_path, monkeypatch, capsys):
    from genvlkt_mmdet.assets import asset_path
    from genvlkt_mmdet.cli import export

    monkeypatch.setattr(export, 'export_model', lambda *args: None)  # the file is there
    arguments = [CONFIG, WEIGHTS, '--format', 'pt2', '--out', str(file), '--check', str(asset_path('example.jpg'))]
    run_verb('export', arguments)
    assert '| classes of the training | 1 ' in capsys.readouterr().out
    monkeypatch.setattr('genvlkt_mmdet.apis.export_check.TOLERANCES', dict(logits=0.0, boxes=0.0, scores=0.0))
    with pytest.raises(SystemExit, match='does not give the results of'):
        run_verb('export', arguments)
