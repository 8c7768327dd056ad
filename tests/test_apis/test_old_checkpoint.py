"""A checkpoint that an earlier version wrote loads with its own config, and finds what it found then."""

import numpy as np
import pytest

from genvlkt_mmdet.apis import HOIInferencer
from tests.shared import shared_path


def test_checkpoint_from_before_the_package_was_rearranged():
    inferencer = HOIInferencer(
        weights=shared_path('checkpoints', 'before_one_house.pth'), device='cpu', show_progress=False
    )
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    found = inferencer(image, pred_score_thr=0.0, return_datasamples=True)['predictions'][0].pred_hois
    with np.load(shared_path('checkpoints', 'before_one_house.npz')) as expected:
        assert len(found) == len(expected['scores']) == 18
        for key in ('hoi_labels', 'object_labels', 'query_ids'):
            np.testing.assert_array_equal(found[key].numpy(), expected[key])
        # bit for bit on one machine; another processor may round differently
        assert found.scores.numpy() == pytest.approx(expected['scores'], abs=1e-5)
        for key in ('human_boxes', 'object_boxes'):
            np.testing.assert_allclose(found[key].numpy(), expected[key], atol=1e-2)
