import cv2
import numpy as np
import pytest
import torch
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.registry import VISUALIZERS
from mmengine.structures import InstanceData

from genvlkt_mmdet.structures import GroundTruth, HOIDataSample, Triplets
from genvlkt_mmdet.visualization import HOIVisualizer
from genvlkt_mmdet.visualization import hoi_visualizer as module

HUMAN = [20.0, 30.0, 50.0, 100.0]
OBJECT = [60.0, 70.0, 110.0, 110.0]
YELLOW, BLUE = (np.array(colors[0]) for colors in module._PALETTE[:2])


@pytest.fixture(scope='module')
def visualizer(hico):
    visualizer = HOIVisualizer(name='test_hoi_visualizer')
    visualizer.dataset_meta = dict(vocabulary=hico.to_dict())
    return visualizer


def _sample(hico, triplets=(), gt=None):
    """``triplets``: (verb, object, score), all of one human box; queries differ."""
    sample = HOIDataSample()
    if triplets is not None:
        number = len(triplets)
        sample.pred_hois = InstanceData(
            human_boxes=torch.tensor([HUMAN] * number).reshape(-1, 4),
            object_boxes=torch.tensor([OBJECT] * number).reshape(-1, 4),
            hoi_labels=torch.tensor([hico.hoi_index(v, o) for v, o, _ in triplets], dtype=torch.long),
            scores=torch.tensor([s for _, _, s in triplets]),
            query_ids=torch.zeros(number, dtype=torch.long),
        )
    if gt is not None:
        sample.set_metainfo(
            dict(
                eval_gt=GroundTruth(
                    Triplets.of_image(
                        np.array([HUMAN] * len(gt), np.float32),
                        np.array([OBJECT] * len(gt), np.float32),
                        np.array([hico.hoi_index(v, o) for v, o in gt], dtype=int),
                    )
                )
            )
        )
    return sample


def _texts(visualizer, monkeypatch):
    """Records what is written on the canvas."""
    texts = []
    draw_texts = visualizer.draw_texts
    monkeypatch.setattr(
        visualizer,
        'draw_texts',
        lambda text, *args, **kwargs: (texts.append(text), draw_texts(text, *args, **kwargs))[1],
    )
    return texts


def _near(image, color, tolerance=40):
    return np.abs(image.astype(int) - color).max(axis=-1) <= tolerance


def test_small_picture_is_enlarged_and_boxes_land_on_scaled_pixels(visualizer, hico, monkeypatch):
    texts = _texts(visualizer, monkeypatch)
    image = np.full((128, 128, 3), 90, np.uint8)
    visualizer.add_datasample('x', image, _sample(hico, [('ride', 'horse', 1.5), ('hold', 'horse', 1.0)]))
    drawn = visualizer.get_image()
    assert drawn.shape == (480, 480, 3)
    assert texts == ['person riding a horse 1.50']  # 1.0 is below the default threshold
    scale = 480 / 128
    yellow = _near(drawn, YELLOW)
    left, top, right, bottom = (np.array(HUMAN) * scale).round().astype(int)
    middle = slice(top + 20, bottom - 20)
    # the left edge of the human's box is a vertical yellow line, the inside is the image
    assert yellow[middle, left - 2 : left + 4].any(axis=1).all()
    assert not yellow[middle, left + 8 : left + 20].any()
    # the object's lighter dashes lie along its lower edge, with gaps
    lower = round(OBJECT[3] * scale)
    dashes = _near(drawn, np.array(module._PALETTE[0][1]))[lower - 4 : lower + 2, 250:400].any(axis=0)
    assert 0.3 < dashes.mean() < 0.95


def test_large_picture_keeps_its_size_and_the_image_around_boxes(visualizer, hico):
    rng = np.random.default_rng(0)
    image = rng.integers(60, 120, (600, 900, 3), dtype=np.uint8)
    visualizer.add_datasample('x', image, _sample(hico, [('ride', 'horse', 1.5)]))
    drawn = visualizer.get_image()
    assert drawn.shape == image.shape
    np.testing.assert_array_equal(drawn[300:], image[300:])


def test_ground_truth_stands_left_of_the_prediction_under_titles(visualizer, hico, monkeypatch):
    texts = _texts(visualizer, monkeypatch)
    image = np.full((480, 480, 3), 90, np.uint8)
    sample = _sample(hico, [('ride', 'horse', 1.5)], gt=[('hold', 'horse'), ('ride', 'horse')])
    visualizer.add_datasample('x', image, sample)
    both = visualizer.get_image()
    assert texts[0] == 'ground truth' and texts[-2:] == ['prediction', 'person riding a horse 1.50']
    assert texts[1:-2] == ['person holding a horse', 'person riding a horse']
    bar, gutter = both.shape[0] - 480, both.shape[1] - 2 * 480
    assert 20 < bar < 40 and 0 < gutter < 20
    x, y = HUMAN[0], 75
    for offset in (0, 480 + gutter):  # the same pair has the same colour on both sides
        assert _near(both, YELLOW)[bar + y, int(offset + x) - 2 : int(offset + x) + 4].any()

    texts.clear()
    visualizer.add_datasample('x', image, sample, draw_pred=False)
    assert visualizer.get_image().shape == image.shape
    assert texts == ['person holding a horse', 'person riding a horse']


def test_side_without_data_is_left_out_but_an_empty_prediction_is_shown(visualizer, hico):
    image = np.full((480, 500, 3), 90, np.uint8)
    for sample in (None, HOIDataSample(), _sample(hico)):
        visualizer.add_datasample('x', image, sample)
        np.testing.assert_array_equal(visualizer.get_image(), image)
    visualizer.add_datasample('x', image, _sample(hico, [], gt=[('ride', 'horse')]))
    assert visualizer.get_image().shape[1] > 1000


def test_crowded_picture_gets_numbers_and_a_list_below(visualizer, hico, monkeypatch):
    texts = _texts(visualizer, monkeypatch)
    sample = _sample(hico)
    boxes = torch.tensor([[4.0 + 14 * i, 10, 16 + 14 * i, 60] for i in range(8)])
    labels = torch.tensor([hico.hoi_index(v, 'horse') for v in ('ride', 'straddle')] * 8)
    sample.pred_hois = InstanceData(
        human_boxes=boxes.repeat_interleave(2, 0),
        object_boxes=boxes.repeat_interleave(2, 0) + torch.tensor([0.0, 40, 0, 60]),
        hoi_labels=labels,
        scores=torch.linspace(2, 1.5, 16),
        query_ids=torch.arange(8).repeat_interleave(2),
    )
    visualizer.add_datasample('x', np.full((128, 128, 3), 90, np.uint8), sample)
    drawn = visualizer.get_image()
    assert drawn.shape[1] == 480 and drawn.shape[0] > 480 + 4 * 2 * 20
    assert sorted(t for t in texts if t.isdigit()) == sorted([str(i) for i in range(1, 9)] * 2)
    assert sum(t.startswith('person riding a horse') for t in texts) == 8
    assert (drawn[-1] == 255).all()  # the list ends above the margin: nothing is cut off


def test_triplets_are_limited_to_the_best(hico, monkeypatch):
    visualizer = HOIVisualizer(name='test_max_hois', max_hois=1)
    visualizer.dataset_meta = dict(vocabulary=hico)
    texts = _texts(visualizer, monkeypatch)
    sample = _sample(hico, [('hold', 'horse', 1.25), ('ride', 'horse', 1.5)])
    visualizer.add_datasample('x', np.zeros((480, 480, 3), np.uint8), sample)
    assert texts == ['person riding a horse 1.50']


def test_long_phrases_wrap_and_odd_letters_are_drawn(visualizer, hico, monkeypatch):
    texts = _texts(visualizer, monkeypatch)
    vocabulary = hico.to_dict()
    prompt = (
        'a photo of a person paying $5 or $6 for a very small cup of coffee in a very large and crowded bar downtown'
    )
    vocabulary['hois'][0]['prompt'] = prompt
    visualizer.dataset_meta = dict(vocabulary=vocabulary)
    sample = _sample(hico, [('ride', 'horse', 1.5)])
    sample.pred_hois.hoi_labels[:] = 0
    visualizer.add_datasample('x', np.full((480, 480, 3), 90, np.uint8), sample)
    visualizer.dataset_meta = dict(vocabulary=hico.to_dict())
    assert len(texts) > 1
    assert ' '.join(' '.join(texts).replace('\\$', '$').split()) == f'{prompt.removeprefix("a photo of a ")} 1.50'


def test_extreme_shapes_and_boxes_outside_the_picture(visualizer, hico):
    sample = _sample(hico, [('ride', 'horse', 1.5)])
    sample.pred_hois.object_boxes[:] = torch.tensor([-50.0, -20, 5000, 4000])
    for shape in ((40, 900, 3), (900, 40, 3), (1, 1, 3)):
        visualizer.add_datasample('x', np.full(shape, 90, np.uint8), sample)
        height, width = visualizer.get_image().shape[:2]
        assert max(height, width) <= 1700


def test_a_box_smaller_than_the_line_is_never_inverted():
    boxes = np.sort(np.random.default_rng(0).random((2000, 2, 2)) * 3000, axis=1).reshape(-1, 4)
    for dtype in (np.float32, np.float64):
        shrunk = np.array([module._inside(box, (4000, 4000), 5000.0) for box in boxes.astype(dtype)])
        assert (shrunk[:, :2] <= shrunk[:, 2:]).all()
        np.testing.assert_allclose(shrunk[:, :2], (boxes[:, :2] + boxes[:, 2:]) / 2, atol=1e-3)


def test_output_file_has_true_colours(visualizer, hico, tmp_path):
    image = np.zeros((480, 480, 3), np.uint8)
    image[..., 0] = 200  # red
    file = tmp_path / 'sub' / 'drawn.png'
    visualizer.add_datasample('x', image, _sample(hico, [('ride', 'horse', 1.5)]), out_file=str(file))
    written = cv2.imread(str(file))
    assert written.shape == image.shape
    assert written[400, 400].tolist() == [0, 0, 200]


def test_missing_vocabulary_is_named(hico):
    visualizer = HOIVisualizer(name='test_no_vocabulary')
    with pytest.raises(KeyError, match=r"dataset_meta\['vocabulary'\]"):
        visualizer.add_datasample('x', np.zeros((9, 9, 3), np.uint8), _sample(hico, [('ride', 'horse', 1.5)]))


def test_works_in_mmdets_visualization_hook(hico, tmp_path):
    visualizer = VISUALIZERS.build(
        dict(
            type='mmdet.HOIVisualizer', name='hook', vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path)
        )
    )
    visualizer.dataset_meta = dict(vocabulary=hico.to_dict())
    picture = tmp_path / 'photo.png'
    cv2.imwrite(str(picture), np.full((128, 128, 3), 90, np.uint8))
    sample = _sample(hico, [('ride', 'horse', 1.5)], gt=[('ride', 'horse')])
    sample.set_metainfo(dict(img_path=str(picture)))

    class Runner:
        work_dir, timestamp, iter = str(tmp_path), 'now', 0

    hook = DetVisualizationHook(draw=True, interval=1, test_out_dir='drawn')
    hook._visualizer = visualizer
    hook.after_test_iter(Runner, 0, {}, [sample])
    drawn = cv2.imread(str(tmp_path / 'now' / 'drawn' / 'photo.png'))
    assert drawn.shape[0] > 480 and drawn.shape[1] > 960

    hook = DetVisualizationHook(draw=True, interval=1)
    hook._visualizer = visualizer
    hook.after_val_iter(Runner, 0, {}, [sample])
    assert list((tmp_path / 'vis_data' / 'vis_image').glob('val_img_0.png'))
