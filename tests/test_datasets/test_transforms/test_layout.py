import numpy as np
import pytest

from genvlkt_mmdet.datasets.transforms.layout import contiguous


@pytest.mark.parametrize('columns', [slice(None), slice(None, None, -1), slice(2, 6)])
@pytest.mark.parametrize('channels', [slice(None), slice(None, None, -1)])
def test_any_view_becomes_contiguous(columns, channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    view = image[:, columns, channels]
    out = contiguous(view)
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, view)
