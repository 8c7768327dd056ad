import cv2
import numpy as np
import pytest

from genvlkt_mmdet.minihoi import (
    DIFFICULTIES,
    Difficulty,
    annotate,
    get_difficulty,
    render_scene,
    sample_pairs,
    sample_scene,
)
from genvlkt_mmdet.minihoi.catalog import COMBINED_SHARE, label_sets, vocabulary
from genvlkt_mmdet.minihoi.objects import draw_object
from genvlkt_mmdet.minihoi.scenes import IMAGE_SIZE, Scene
from genvlkt_mmdet.minihoi.shapes import SUPERSAMPLE, Shape, disc, draw, extent, polygon, ring, stroke

SIDE = IMAGE_SIZE * SUPERSAMPLE


def scene_of(*seed, **kwargs):
    return sample_scene(np.random.default_rng(seed), **kwargs)


def drawn_box(shapes):
    """Box of the pixels that shapes cover when they are drawn alone on black."""
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
    draw(canvas, [Shape(s.kind, s.points, (255, 255, 255), s.size) for s in shapes])
    ys, xs = np.nonzero(canvas.max(2) > 100)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) / SUPERSAMPLE


@pytest.mark.parametrize(
    'shape,box',
    [
        (disc((30, 40), (10, 5), (1, 2, 3)), (20, 35, 40, 45)),
        (stroke([(10, 20), (30, 50)], 6, (1, 2, 3)), (7, 17, 33, 53)),
        (ring((50, 50), 20, 4, (1, 2, 3)), (28, 28, 72, 72)),
        (polygon([(5, 5), (25, 5), (15, 30)], (1, 2, 3)), (5, 5, 25, 30)),
    ],
)
def test_extent_of_a_shape(shape, box):
    assert extent([shape]).tolist() == list(box)
    assert np.abs(drawn_box([shape]) - (np.array(box) + [-0.6, -0.6, 0.6, 0.6])).max() <= 1
    # mirrored, twice as large, upside down, moved
    moved = shape.transformed(2, flip=True, shift=(100, 100))
    x1, y1, x2, y2 = box
    assert extent([moved]).tolist() == [100 - 2 * x2, 100 - 2 * y2, 100 - 2 * x1, 100 - 2 * y1]


@pytest.mark.parametrize('hoi', range(vocabulary().num_hois))
def test_every_class_has_a_scene_of_its_own_with_tight_boxes(hoi):
    vocab = vocabulary()
    scene = scene_of(3, hoi, hoi=hoi)
    annotation = annotate(scene)
    (pair,) = annotation['hoi_annotation']
    assert pair == dict(subject_id=0, object_id=1, category_id=vocab.hoi_verbs[hoi] + 1, hoi_category_id=hoi + 1)
    assert [a['category_id'] for a in annotation['annotations']] == [1, vocab.hoi_objects[hoi] + 1]
    for member, entry in zip(scene.groups[0].members, annotation['annotations'], strict=True):
        box = np.array(entry['bbox'])
        assert np.abs(box - drawn_box(member)).max() <= 1.0
        assert box.min() >= 0 and box.max() <= IMAGE_SIZE


def test_objects_stand_on_the_ground_and_differ_in_hue():
    names = vocabulary().object_names[1:]
    means = {}
    for name in names:
        drawings = [draw_object(name, np.random.default_rng([1, i]), shade=12.0) for i in range(3)]
        for drawing in drawings:
            assert drawing.extent[1] == pytest.approx(0) and drawing.extent[0] == pytest.approx(-drawing.extent[2])
            size = drawing.extent[2:] - drawing.extent[:2]
            assert size.min() > 0.45 and size.max() < 1.2  # person heights
        canvas = np.zeros((160, 160, 3), np.uint8)
        draw(canvas, [s.transformed(60, False, (40, 70)) for s in drawings[0].shapes], outline=False)
        means[name] = canvas[canvas.any(2)].mean(0)
    distances = [np.abs(means[a] - means[b]).max() for i, a in enumerate(names) for b in names[:i]]
    assert min(distances) > 20


def test_mirrored_object_keeps_what_it_is():
    drawing = draw_object('horse', np.random.default_rng(0))
    mirrored = drawing.mirrored()
    assert mirrored.extent == pytest.approx(drawing.extent)
    assert mirrored.seat == (-drawing.seat[0], drawing.seat[1])
    again = mirrored.mirrored()
    for a, b in zip(again.shapes, drawing.shapes, strict=True):
        assert np.array_equal(a.points, b.points)


def visible_shares(scene):
    """Share of each member's own pixels that nothing drawn later hides; members in the order of annotations."""
    numbers, alone = np.zeros((SIDE, SIDE), np.uint8), []
    for group in scene.groups:
        first = len(alone)
        for member in group.members:
            mask = np.zeros((SIDE, SIDE, 3), np.uint8)
            draw(mask, [Shape(s.kind, s.points, (255, 255, 255), s.size) for s in member])
            alone.append(mask[..., 0] > 127)
        for member in group.order:
            numbers[alone[first + member]] = first + member + 1
    return [float((numbers[mask] == i + 1).mean()) for i, mask in enumerate(alone)]


def test_everything_stays_visible_and_large():
    shares, sides = [], []
    for i in range(80):
        scene = scene_of(5, i)
        shares += visible_shares(scene)
        boxes = np.array([a['bbox'] for a in annotate(scene)['annotations']])
        sides.append(boxes[:, 2:] - boxes[:, :2])
    sides = np.concatenate(sides)
    assert min(shares) > 0.4 and np.mean(shares) > 0.93
    assert sides.min() > 12 and np.median(sides.max(1)) > 35


def test_groups_stay_apart():
    for i in range(60):
        boxes = [group.extent for group in scene_of(6, i).groups]
        for k, a in enumerate(boxes):
            for b in boxes[:k]:
                assert np.any(np.minimum(a[2:], b[2:]) <= np.maximum(a[:2], b[:2]))


def test_same_generator_same_picture():
    first, annotation = render_scene(scene_of(9))
    second, again = render_scene(scene_of(9))
    assert first.dtype == np.uint8 and first.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    assert np.array_equal(first, second) and annotation == again
    assert not np.array_equal(first, render_scene(scene_of(10))[0])


def test_picture_shows_what_the_boxes_say():
    vocab = vocabulary()
    ball, hoi = vocab.object_names.index('ball'), vocab.hoi_index('kick', 'ball')
    image, annotation = render_scene(scene_of(11, hoi=hoi))
    entry = next(a for a in annotation['annotations'] if a['category_id'] == ball + 1)
    hue = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    orange = (hue[..., 0] > 10) & (hue[..., 0] < 24) & (hue[..., 1] > 180)
    x1, y1, x2, y2 = (int(round(v)) for v in entry['bbox'])
    assert orange[y1:y2, x1:x2].mean() > 0.4 and orange[y1:y2, x1:x2].sum() > 0.9 * orange.sum()


def test_pairs_of_a_scene_are_those_that_were_drawn():
    for i in range(40):
        pairs = sample_pairs(np.random.default_rng([7, i]), Difficulty(), long_tail=True)
        scene = scene_of(7, i, long_tail=True)
        assert sorted(hois for group in scene.groups for _, hois in group.pairs) == sorted(pairs)
        labels = sorted(h['hoi_category_id'] - 1 for h in annotate(scene)['hoi_annotation'])
        assert labels == sorted(hoi for hois in pairs for hoi in hois)


def test_combined_classes_are_optional_on_both_sides():
    for long_tail in (False, True):
        sets, probabilities = label_sets(long_tail)
        table = dict(zip(sets, probabilities, strict=True))
        assert sum(probabilities) == pytest.approx(1)
        combined = [hois for hois in sets if len(hois) == 2]
        assert len(combined) >= 8
        for hois in combined:
            for hoi in hois:
                total = sum(p for key, p in table.items() if hoi in key)
                together = table[hois]
                # One class tells little about the other, so that neither is known when the other is.
                assert 0 < together <= COMBINED_SHARE * total + 1e-9
                assert table[(hoi,)] >= (1 - 2 * COMBINED_SHARE) * total - 1e-9


def test_one_person_can_have_two_objects():
    persons = [group for i in range(60) for group in scene_of(8, i, num_pairs=2).groups if group.pairs]
    two = [group for group in persons if len(group.pairs) == 2]
    assert two
    for group in two:
        assert group.labels[0] == 0 and len(group.members) == 3 and [member for member, _ in group.pairs] == [1, 2]


def test_number_of_pairs():
    for wanted in (0, 1, 2, 3):
        scene = scene_of(12, wanted, num_pairs=wanted)
        assert sum(len(group.pairs) for group in scene.groups) == wanted
        assert len(annotate(scene)['annotations']) >= max(1, wanted)


def test_harder_scenes_are_fuller_and_smaller():
    figures = {}
    for name in DIFFICULTIES:
        entries = [annotate(scene_of(13, i, difficulty=name)) for i in range(40)]
        things = [a for entry in entries for a in entry['annotations']]
        heights = [a['bbox'][3] - a['bbox'][1] for a in things if a['category_id'] == 1]
        figures[name] = (len(things) / len(entries), np.median(heights))
    assert figures['easy'][0] < figures['default'][0] < figures['hard'][0]
    assert figures['easy'][1] > figures['default'][1] > figures['hard'][1]


def test_difficulty_by_name_or_by_field():
    assert get_difficulty('default') == Difficulty()
    assert get_difficulty(dict(noise=9.0, pairs=[0.5, 0.5])) == Difficulty(noise=9.0, pairs=(0.5, 0.5))
    with pytest.raises(ValueError, match="Unknown MiniHOI difficulty 'esy': choose one of easy, default, hard"):
        get_difficulty('esy')
    with pytest.raises(ValueError, match="has no field 'nois'; it has: person_height"):
        get_difficulty(dict(nois=1))


def test_default_scenes_have_nothing_that_only_hard_ones_have():
    """They are as before hard scenes got it, whatever the random numbers."""
    for i in range(20):
        background = scene_of(20, i).background
        assert background['clutter'] == background['occluders'] == []
    hard = [scene_of(20, i, difficulty='hard').background for i in range(20)]
    assert 4 < np.mean([len(b['clutter']) for b in hard]) < 9
    assert 1 < np.mean([len(b['occluders']) for b in hard]) < 4


def test_clutter_and_occluders_change_the_image_and_no_annotation():
    scene = scene_of(21, 4, difficulty='hard')
    for part in ('clutter', 'occluders'):
        assert scene.background[part]
        without = Scene(scene.groups, {**scene.background, part: []})
        (image, record), (plain, same) = render_scene(scene), render_scene(without)
        assert record == same and (image != plain).any()


def test_posing_persons_have_no_pair():
    """With nothing but such persons, there is one in every image, many of them not in a pose of idle persons."""
    only = dict(pairs=[1.0], idle_objects=0.0, idle_persons=0.0, posing=1.0)
    widths = []
    for i in range(30):
        scene = scene_of(22, i, difficulty=only)
        (group,) = scene.groups
        assert group.labels == [0] and not group.pairs and not group.props
        x1, y1, x2, y2 = group.extent
        widths.append((x2 - x1) / (y2 - y1))
        assert annotate(scene)['hoi_annotation'] == []
    idle = [scene_of(22, i, difficulty=only | dict(posing=0.0)).groups[0].extent for i in range(30)]
    assert np.mean(widths) > 1.2 * np.mean([(x2 - x1) / (y2 - y1) for x1, y1, x2, y2 in idle])


def test_idle_things_with_many_pairs():
    crowded = dict(pairs=[0, 0, 0, 0, 1.0], person_height=[24, 30], idle_persons=3.0)
    for up_to, there in ((3, False), (4, True)):
        scenes = [scene_of(23, i, difficulty=crowded | dict(idle_up_to=up_to)) for i in range(10)]
        assert any(not group.pairs for scene in scenes for group in scene.groups) == there
