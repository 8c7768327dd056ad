"""Rows of HOICLIP's verb classifier: the numbers of the authors' program, hand-worked examples, and whole data sets."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from genvlkt_mmdet.datasets import HOIDataset
from genvlkt_mmdet.datasets.transforms import MakeCLIPImage
from genvlkt_mmdet.models.vlkt import (
    VerbSums,
    compute_verb_embeddings,
    load_verb_embeddings,
    read_official_verbs,
    save_verb_embeddings,
)
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.parity.formulas import FAMILY, noise
from tests.shared import HICO_LIKE, shared_path


@pytest.fixture(scope='module')
def reference():
    """Rows that the authors' program made of crop embeddings of a closed formula; every 16th of 512 columns."""
    return dict(np.load(shared_path('reference', 'verb_rows.npz')))


def crops(image, part, count):
    """Stand-in for CLIP's embeddings of the crops of an image."""
    return 0.4 * noise(f'crop:{FAMILY}:verb:img{image}:{part}', (count, 512)) + 0.3 * noise('crop:common', (1, 512))


def rows_of(images, mode):
    sums = VerbSums(load_vocabulary('hico'), 512, mode)
    for i, hois in enumerate(images):
        sums.add(*(crops(i, part, len(hois)).astype(np.float32) for part in ('human', 'object', 'union')), hois)
    return sums.rows()[:, ::16]


def images_of(reference):
    return np.split(reference['hois'], np.cumsum(reference['pairs'])[:-1])


@pytest.mark.parametrize('mode', ['released', 'arithmetic'])
def test_rows_of_the_authors_program(reference, mode):
    np.testing.assert_allclose(rows_of(images_of(reference), mode), reference[mode], atol=1e-5)


def test_repeated_classes_in_one_image_as_released(reference):
    rows = rows_of([*images_of(reference), reference['appended']], 'released')
    changed = reference['changed']
    np.testing.assert_allclose(rows[changed], reference['changed_rows'], atol=1e-5)
    others = np.setdiff1d(np.arange(117), changed)
    np.testing.assert_allclose(rows[others], reference['released'][others], atol=1e-5)


@pytest.fixture
def toy():
    return load_vocabulary(HICO_LIKE)


def test_every_pair_counts_in_arithmetic(toy):
    """Two pairs 'hold cup' of one image: mean of 2u - o - h. As released, the first one is lost."""
    h, o, u = np.array([[1.0, 0], [0, 1]]), np.array([[0.0, 2], [4, 0]]), np.array([[3.0, 1], [1, 5]])
    sums = VerbSums(toy, 2)
    sums.add(h, o, u, np.array([0, 0]))
    total = np.array([6 - 0 - 1, 2 - 2 - 0]) + np.array([2 - 4 - 0, 10 - 0 - 1])
    np.testing.assert_allclose(sums.rows(), [total / np.hypot(*total), [0, 0]], rtol=1e-6)
    assert sums.pairs.tolist() == [2, 0]
    released = VerbSums(toy, 2, 'released')
    released.add(h, o, u, np.array([0, 0]))
    row = np.array([1, 5]) / np.sqrt(26) - np.array([1, 0])
    np.testing.assert_allclose(released.rows(), [row / np.hypot(*row), [0, 0]], rtol=1e-6)


def test_a_class_without_sample_makes_no_row_nan(toy):
    """Only 'hold horse' of the three classes of hold, and nothing of ride, has a sample."""
    rng = np.random.default_rng(0)
    for mode in ('arithmetic', 'released'):
        sums = VerbSums(toy, 8, mode)
        sums.add(*rng.normal(size=(3, 1, 8)), np.array([1]))
        sums.add(*np.zeros((3, 0, 8)), np.array([], dtype=int))  # an image without pairs
        rows = sums.rows()
        assert np.linalg.norm(rows[0]) == pytest.approx(1) and not rows[1].any()


def test_a_pair_without_object_has_the_mean_person_as_object():
    vocabulary = load_vocabulary('vcoco')
    alone = vocabulary.hoi_objects.index(vocabulary.no_object)
    with_object = vocabulary.hoi_objects.index(vocabulary.object_names.index('bicycle'))
    rng = np.random.default_rng(0)
    h, o, u = rng.normal(size=(3, 2, 8))
    u[0] = h[0]
    sums = VerbSums(vocabulary, 8)
    sums.add(h, o, u, np.array([alone, with_object]))
    wanted = h[0] - h.mean(0)
    np.testing.assert_allclose(sums.rows()[vocabulary.hoi_verbs[alone]], wanted / np.linalg.norm(wanted), atol=1e-6)
    released = VerbSums(vocabulary, 8, 'released')
    released.add(h, o, u, np.array([alone, with_object]))
    mean = h.mean(0) / np.linalg.norm(h.mean(0))
    wanted = h[0] / np.linalg.norm(h[0]) - mean
    np.testing.assert_allclose(released.rows()[vocabulary.hoi_verbs[alone]], wanted / np.linalg.norm(wanted), atol=1e-6)


def test_unknown_rule(toy):
    with pytest.raises(ValueError, match="must be one of arithmetic, released, not 'mean'"):
        VerbSums(toy, 2, 'mean')


RECORDS = [
    dict(
        file_name='a.png',
        width=60,
        height=40,
        annotations=[
            dict(bbox=[5, 5, 25, 35], category_id=1),
            dict(bbox=[20, 10, 30, 20], category_id=5),
            dict(bbox=[30.4, 5, 58, 38], category_id=9),
        ],
        hoi_annotation=[
            dict(subject_id=0, object_id=2, category_id=1, hoi_category_id=12),
            dict(subject_id=0, object_id=2, category_id=4, hoi_category_id=13),
            dict(subject_id=0, object_id=1, category_id=1, hoi_category_id=11),
        ],
    ),
    dict(
        file_name='b.png',
        width=50,
        height=50,
        annotations=[dict(bbox=[10, 10, 30, 45], category_id=1), dict(bbox=[25, 20, 25.6, 20.3], category_id=5)],
        hoi_annotation=[dict(subject_id=0, object_id=1, category_id=1, hoi_category_id=11)],
    ),
]


@pytest.fixture
def dataset(tmp_path, toy):
    """Two images of noise: a person who rides and holds a horse and holds a cup; a person with a tiny cup."""
    import json

    from mmengine.registry import init_default_scope

    init_default_scope('mmdet')
    rng = np.random.default_rng(3)
    for record in RECORDS:
        shape = (record['height'], record['width'], 3)
        cv2.imwrite(str(tmp_path / record['file_name']), rng.integers(0, 255, shape, dtype=np.uint8))
    (tmp_path / 'ann.json').write_text(json.dumps(RECORDS))

    def build(**kwargs):
        pipeline = [dict(type='LoadHOIImage')]
        files = dict(ann_file=str(tmp_path / 'ann.json'), data_prefix=dict(img=str(tmp_path)), pipeline=pipeline)
        return HOIDataset(vocabulary=HICO_LIKE, **files, **kwargs)

    return build


def test_crops_of_a_data_set(dataset, tmp_path, small_clip):
    """Every crop alone through the model gives the same rows as batches of any size."""
    folder, model = small_clip
    transform = MakeCLIPImage(32)

    def embed(file, x1, y1, x2, y2):
        image = cv2.imread(str(tmp_path / file))[y1:y2, x1:x2]
        with torch.no_grad():
            return model.encode_image(transform.transform(dict(img=image))['clip_image'][None])[0].double()

    person, cup, horse = embed('a.png', 5, 5, 25, 35), embed('a.png', 20, 10, 30, 20), embed('a.png', 30, 5, 58, 38)
    with_cup, with_horse = embed('a.png', 5, 5, 30, 35), embed('a.png', 5, 5, 58, 38)
    other, tiny, both = embed('b.png', 10, 10, 30, 45), embed('b.png', 25, 20, 26, 21), embed('b.png', 10, 10, 30, 45)
    ride = 2 * with_horse - person - horse
    hold = ride + 2 * with_cup - person - cup + 2 * both - other - tiny
    wanted = normalize(torch.stack([hold, ride]), dim=1).float()
    for size in (1, 3, 256):
        rows, origin = compute_verb_embeddings(dataset(), str(folder), batch_size=size)
        torch.testing.assert_close(rows, wanted, atol=2e-5, rtol=0)
    assert origin['mode'] == 'arithmetic' and origin['clip'] == 'small' and origin['images'] == '2'
    assert origin['pairs'] == '[3, 1]' and len(origin['weights_sha256']) == 64

    released, _ = compute_verb_embeddings(dataset(), str(folder), 'released')
    unit = lambda x: normalize(x, dim=0)  # noqa: E731
    classes = unit(with_horse) - unit(horse), unit(with_cup + both) - unit(cup + tiny)
    wanted = torch.stack([unit(sum(classes)), unit(classes[0])]).float()
    torch.testing.assert_close(released, wanted, atol=2e-5, rtol=0)


def test_pairs_with_an_unseen_class_are_not_used(dataset, small_clip):
    """The split hides 'hold horse', and with it the pair that also rides. Its images do not matter."""
    folder = str(small_clip[0])
    rows, origin = compute_verb_embeddings(dataset(zero_shot='some'), folder)
    assert origin['zero_shot'] == 'some' and origin['pairs'] == '[2, 0]' and not rows[1].any()
    whole, _ = compute_verb_embeddings(dataset(), folder)
    assert not torch.allclose(rows[0], whole[0], atol=1e-3)


def test_files_of_the_authors(tmp_path):
    """The tensor comes back bit for bit, also V-COCO's, whose rows are not of length 1."""
    vocabulary = load_vocabulary('vcoco')
    rows = torch.randn(29, 512) * torch.linspace(0.4, 20.4, 29)[:, None] / 22
    torch.save(torch.nn.Parameter(rows), tmp_path / 'vcoco_verb.pth')
    read = read_official_verbs(tmp_path / 'vcoco_verb.pth', vocabulary)
    save_verb_embeddings(tmp_path / 'verbs.safetensors', vocabulary.verb_names, read, dict(mode='official'))
    assert torch.equal(load_verb_embeddings(tmp_path / 'verbs.safetensors', vocabulary.verb_names), rows)
    with pytest.raises(ValueError, match=r"vcoco_verb\.pth' has 29 verbs, but the vocabulary 'hico' has 117"):
        read_official_verbs(tmp_path / 'vcoco_verb.pth', load_vocabulary('hico'))
    torch.save(dict(model=rows), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r"other\.pth' holds no table of verb rows"):
        read_official_verbs(tmp_path / 'other.pth', vocabulary)
