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
from genvlkt_mmdet.visualization.drawn_pairs import pairs_from_predictions

HUMAN = [20.0, 30.0, 50.0, 100.0]
OBJECT = [60.0, 70.0, 110.0, 110.0]
FIRST = np.array(module.PALETTE[0][0])


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
    colored = _near(drawn, FIRST)
    left, top, right, bottom = (np.array(HUMAN) * scale).round().astype(int)
    middle = slice(top + 20, bottom - 20)
    # the left edge of the human's box is a vertical line in the pair's colour, the inside is the image
    assert colored[middle, left - 2 : left + 4].any(axis=1).all()
    assert not colored[middle, left + 8 : left + 20].any()
    # the object's lighter dashes lie along its lower edge, with gaps
    lower = round(OBJECT[3] * scale)
    dashes = _near(drawn, np.array(module.PALETTE[0][1]))[lower - 4 : lower + 2, 250:400].any(axis=0)
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
        assert _near(both, FIRST)[bar + y, int(offset + x) - 2 : int(offset + x) + 4].any()

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


def test_numbers_do_not_overlap(visualizer, hico, monkeypatch):
    places = []
    monkeypatch.setattr(visualizer, '_label', lambda lines, corner, size, *_, **__: places.append((corner, size)))
    rng = np.random.default_rng(0)
    corners = torch.from_numpy(rng.random((30, 2)) * 380).float()
    sample = _sample(hico)
    sample.pred_hois = InstanceData(
        human_boxes=torch.cat([corners, corners + 60], 1),
        object_boxes=torch.cat([corners + 20, corners + 90], 1),
        hoi_labels=torch.arange(30),
        scores=torch.linspace(2, 1.5, 30),
        query_ids=torch.arange(30),
    )
    monkeypatch.setattr(visualizer, 'max_hois', 30)
    visualizer.add_datasample('x', np.full((480, 480, 3), 90, np.uint8), sample)
    assert len(places) == 3 * 30  # a number at the person and one in the list, and the label
    corners, sizes = (np.array(values) for values in zip(*places, strict=True))
    apart = (corners[:, None] >= corners + sizes) | (corners >= corners[:, None] + sizes[:, None])
    apart |= np.isclose(corners[:, None], corners + sizes) | np.isclose(corners, corners[:, None] + sizes[:, None])
    assert apart.any(-1)[~np.eye(90, dtype=bool)].all()


def test_narrow_picture_gets_space_for_whole_words(visualizer, hico, monkeypatch):
    texts = _texts(visualizer, monkeypatch)
    image = np.full((900, 60, 3), 90, np.uint8)
    sample = _sample(hico, [('ride', 'horse', 1.5)])
    visualizer.add_datasample('x', image, sample)
    drawn = visualizer.get_image()
    assert drawn.shape == (1600, 480, 3) and texts == ['person riding a horse 1.50']
    scale = 1600 / 900
    assert (drawn[:, round(60 * scale) + 1 :] == 255).mean() > 0.9  # boxes end with the image
    np.testing.assert_array_equal(drawn[800:, : round(60 * scale)], 90)


# Machado, Oliveira, Fernandes: A physiologically-based model for simulation of color vision deficiency. IEEE TVCG 2009.
# Matrices of severity 1.
SEEN_BY = dict(
    most_people=np.eye(3),
    protanopes=[[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    deuteranopes=[[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
)


def _lab(colors, matrix):
    """CIE L*a*b* (D65) of sRGB colours as seen through a matrix of linear RGB."""
    values = np.asarray(colors) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    linear = (linear @ np.transpose(matrix)).clip(0, 1)
    xyz = (
        linear
        @ np.array(
            [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
        ).T
    )
    xyz = xyz / [0.95047, 1, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)


def test_lab_values_of_known_colors():
    known = _lab([[255, 255, 255], [255, 0, 0], [0, 0, 0]], np.eye(3))
    np.testing.assert_allclose(known, [[100, 0, 0], [53.24, 80.09, 67.2], [0, 0, 0]], atol=0.02)


@pytest.mark.parametrize('eyes', SEEN_BY)
def test_colours_differ_for_people_with_colour_blindness(eyes):
    """A distance of 10 is far above the just noticeable 2.3. Old palettes fail: red and green come down to 3."""
    lab = _lab([human for human, _ in module.PALETTE], SEEN_BY[eyes])
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert distances[~np.eye(len(lab), dtype=bool)].min() > 16
    first = distances[:4, :4]  # few images have more pairs
    assert first[~np.eye(4, dtype=bool)].min() > 40


@pytest.mark.parametrize('color', [color for pair in module.PALETTE for color in pair])
def test_labels_have_contrast(color):
    """WCAG 2 wants a contrast of 4.5 for text."""

    def luminance(rgb):
        return _lab([rgb], np.eye(3))[0, 0]  # L*

    def relative(rgb):
        lightness = luminance(rgb)
        return ((lightness + 16) / 116) ** 3 if lightness > 8 else lightness / 903.3

    low, high = sorted([relative(color), relative(module.letters_on(color))])
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_attention_is_drawn_over_a_grey_image(visualizer, hico, monkeypatch):
    texts = _texts(visualizer, monkeypatch)
    image = np.zeros((480, 480, 3), np.uint8)
    image[..., 0] = 200
    left, right = np.zeros((2, 4, 4), np.float32)
    left[3, 3] = right[3, 0] = 0.5
    pairs = pairs_from_predictions(_sample(hico, [('ride', 'horse', 1.5)]).pred_hois, hico)
    drawn = visualizer.draw_attention(image, pairs, left, right)
    bar, gutter = drawn.shape[0] - 480, drawn.shape[1] - 960
    assert 20 < bar < 40 and 0 < gutter < 20
    assert texts == [
        t for side in ('instance', 'interaction') for t in (f'{side} decoder', 'person riding a horse 1.50')
    ]
    light = drawn[bar:].astype(int).sum(-1)
    sides = light[:, :480], light[:, -480:]
    # The corners below: the highest attention is lightest, and the rest is as dark as its neighbours.
    assert [(side[460, 20] > 400, side[460, 460] > 400) for side in sides] == [(False, True), (True, False)]
    grey = round(0.35 * 200 * 0.299)
    assert np.abs(sides[0][300, 20] - 3 * grey) < 30


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
