"""The weights and inputs made here are those that the authors' code ran with."""

import pytest
from numpy.testing import assert_allclose

from . import formulas
from .conftest import configurations, load_forward, load_npz, sums

CASES = ('main', 'one_empty', 'all_empty', 'dense')


@configurations('hico_s', 'vcoco_s', 'hico_s_zs_rf', 'hico_l')
def test_weights(reference):
    for name, entry in reference.manifest.items():
        total, absolute, first = reference.sums[name]
        assert total == pytest.approx(entry['sum'], rel=1e-9, abs=1e-7), name
        assert absolute == pytest.approx(entry['abssum'], rel=1e-10), name
        assert first == entry['first'], name


@pytest.mark.parametrize('tag', ['main', 'odd'])
def test_images(tag):
    fixture = load_forward('hico_s') if tag == 'main' else load_npz('forward_hico_s_odd')
    for i, (height, width) in enumerate(fixture['sizes'].tolist()):
        total = sums(formulas.image(tag, i, height, width))[0]
        assert total == pytest.approx(fixture['image_sums'][i], rel=1e-9, abs=1e-6)


@pytest.mark.parametrize('case', CASES)
def test_teacher(case):
    fixture = load_npz('loss_hico_s')
    for i in range(2):
        image, prefix = formulas.clip_image(case, i), f'{case}/target/img{i}/'
        assert sums(image)[0] == pytest.approx(float(fixture[f'{prefix}clip_input_sum']), rel=1e-9, abs=1e-6)
        assert_allclose(formulas.teacher_features(image[None])[0], fixture[f'{prefix}clip_feats'], rtol=0, atol=2e-5)
