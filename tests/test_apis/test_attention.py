"""The attention of one pair: the model's maps over the image, as arrays and as a drawing."""

import cv2
import numpy as np
import pytest
import torch

from genvlkt_mmdet.apis import attend, draw_attention, pair_attention
from genvlkt_mmdet.visualization import HOIVisualizer


@pytest.fixture(scope='module')
def photo():
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (160, 90), interpolation=cv2.INTER_CUBIC)


def cells(inferencer, image, query):
    """Maps of the model itself for the network input that the pipeline makes, and the shape of that input."""
    data = inferencer.model.data_preprocessor(inferencer.collate_fn([inferencer.pipeline(dict(img=image))]), False)
    with torch.no_grad():
        _, *maps = inferencer.model.predict_with_attention(data['inputs'], data['data_samples'])
    return [m[0, query].numpy() for m in maps], data['inputs'].shape[2:]


def test_maps_are_those_of_the_model_stretched_over_the_image(inferencer, photo):
    query = inferencer(photo, pred_score_thr=0)['predictions'][0][0]['query']
    found = pair_attention(inferencer, photo, query)
    for ours, map_ in zip(found, cells(inferencer, photo, query)[0], strict=True):
        assert ours.shape == (90, 160) and ours.dtype == np.float32
        # The value at the centre of each cell is that of the cell, up to the two steps of the interpolation.
        rows, columns = (np.arange(n) * side / n + side / n / 2 for n, side in zip(map_.shape, ours.shape, strict=True))
        at_centres = ours[np.ix_(rows.astype(int), columns.astype(int))]
        assert np.abs(at_centres - map_).max() < 0.15 * np.ptp(map_)
        assert map_.min() - 1e-6 <= ours.min() and ours.max() <= map_.max() + 1e-6


def test_padding_is_left_out(inferencer, photo, monkeypatch):
    """The pipeline's image in the top left corner of a larger network input."""
    preprocessor = inferencer.model.data_preprocessor
    size = cells(inferencer, photo, 0)[1]
    monkeypatch.setattr(preprocessor, 'pad_size_divisor', 256)
    padded, larger = cells(inferencer, photo, 3)
    assert tuple(larger) == tuple(-(-side // 256) * 256 for side in size)
    for ours, map_ in zip(pair_attention(inferencer, photo, 3), padded, strict=True):
        used = map_[map_.any(1)][:, map_.any(0)]
        assert used.size < map_.size
        expected = cv2.resize(used, (160, 90), interpolation=cv2.INTER_LINEAR)
        inner = slice(8, 75), slice(12, 130)  # next to the padding, which is zero, interpolation differs
        assert np.abs(ours - expected)[inner].max() < 0.3 * np.ptp(used)


def test_drawing(inferencer, photo, monkeypatch):
    attended = attend(inferencer, photo, pred_score_thr=0, top_k=12)
    assert attended.result == inferencer(photo, pred_score_thr=0, top_k=12)['predictions'][0]
    query = attended.queries[0]
    assert (
        attended.queries == list(dict.fromkeys(hoi['query'] for hoi in attended.result)) and len(attended.queries) > 1
    )
    drawn = draw_attention(inferencer, photo, query, pred_score_thr=0)
    assert drawn.shape[1] > 2 * 480 and drawn.dtype == np.uint8

    seen = []
    monkeypatch.setattr(HOIVisualizer, 'draw_attention', lambda _, *args: seen.append(args))
    attended.draw(query)
    (pair,) = seen[0][1]  # the queries with nearly equal boxes are left out
    assert pair.phrases == {hoi['phrase']: hoi['score'] for hoi in attended.result if hoi['query'] == query}
    np.testing.assert_array_equal(seen[0][0], photo[..., ::-1])
    np.testing.assert_array_equal(seen[0][2], pair_attention(inferencer, photo, query).instance)
    large = np.zeros((3000, 2000, 3), np.uint8) + photo[0, 0]
    draw_attention(inferencer, large, query, 0)
    assert seen[1][2].shape == (1024, 683)  # smaller than the image, which would take much memory


def test_what_cannot_be_drawn(inferencer, photo, tmp_path):
    with pytest.raises(ValueError, match='query must be a whole number from 0 to'):
        pair_attention(inferencer, photo, 10_000)
    with pytest.raises(ValueError, match='threshold has query 10000; the queries of those above it: [0-9]'):
        draw_attention(inferencer, photo, 10_000, pred_score_thr=0)
    for several in ([photo, photo], tmp_path, 'clip.mp4'):
        if several is tmp_path:
            cv2.imwrite(str(tmp_path / 'one.png'), photo)
        with pytest.raises((ValueError, FileNotFoundError), match=r'one image|clip.mp4'):
            pair_attention(inferencer, several, 0)
    with pytest.raises(FileNotFoundError, match='absent.jpg'):
        pair_attention(inferencer, tmp_path / 'absent.jpg', 0)
    with pytest.raises(ValueError, match='pred_score_thr'):
        draw_attention(inferencer, photo, 0, pred_score_thr=3)
