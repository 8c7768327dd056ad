import copy

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData

from genvlkt_mmdet.models import HOITTAModel
from genvlkt_mmdet.structures import HOIDataSample
from tests.test_models.tiny import HICO_LIKE, VCOCO_LIKE, build_detector

KEYS = ('human_boxes', 'object_boxes', 'object_labels', 'hoi_labels', 'scores', 'query_ids')


def detector(kind):
    """A detector whose own duplicates stay, since random queries have similar boxes."""
    test_cfg = dict(type='VerbHOITriplets' if kind == 'vcoco' else 'TopHOITriplets', nms=None)
    return build_detector(vocabulary=VCOCO_LIKE if kind == 'vcoco' else HICO_LIKE, test_cfg=test_cfg)


def view(human_boxes, object_boxes, hoi_labels, scores, **meta):
    """Predictions in an image of 100 x 50 pixels (width, height)."""
    result = HOIDataSample(metainfo=dict(ori_shape=(50, 100), **meta))
    count = len(scores)
    result.pred_hois = InstanceData(
        human_boxes=torch.tensor(human_boxes, dtype=torch.float32),
        object_boxes=torch.tensor(object_boxes, dtype=torch.float32),
        object_labels=torch.ones(count, dtype=torch.long),
        hoi_labels=torch.tensor(hoi_labels),
        scores=torch.tensor(scores),
        query_ids=torch.arange(count),
    )
    return result


def merged(*views, **kwargs):
    model = HOITTAModel(module=build_detector(), **kwargs)
    return model.merge_preds([copy.deepcopy(views)])[0].pred_hois


@torch.no_grad()
@pytest.mark.parametrize('kind', ['hico', 'vcoco'])
@pytest.mark.parametrize('count', [1, 3])
def test_equal_views_give_the_result_of_one(kind, count):
    model = detector(kind)
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, (3, 64, 96), dtype=torch.uint8, generator=generator)
    meta = dict(img_shape=(64, 96), ori_shape=(128, 192), img_id=0)
    alone = model.test_step(dict(inputs=[image], data_samples=[HOIDataSample(metainfo=meta)]))[0].pred_hois
    tta = HOITTAModel(module=model, max_per_img=None)
    samples = [[HOIDataSample(metainfo=meta)] for _ in range(count)]
    together = tta.test_step(dict(inputs=[[image]] * count, data_samples=samples))[0].pred_hois
    assert len(alone) > 8
    for key in KEYS:
        torch.testing.assert_close(together[key], alone[key], rtol=0, atol=0, equal_nan=True)


def test_boxes_are_flipped_back_and_duplicates_of_views_merged():
    plain = view([[10, 5, 30, 45]], [[40, 5, 60, 25]], [2], [1.5])
    mirrored = view(
        [[70, 5, 90, 45], [70, 5, 90, 45], [0, 0, 20, 20]],
        [[40, 5, 60, 25], [40, 5, 60, 25], [0, 0, 9, 9]],
        [2, 3, 2],
        [1.7, 1.6, 1.1],
        flip=True,
        flip_direction='horizontal',
    )
    result = merged(plain, mirrored)
    assert result.scores.tolist() == pytest.approx([1.7, 1.6, 1.1])
    assert result.human_boxes.tolist() == [[10, 5, 30, 45], [10, 5, 30, 45], [80, 0, 100, 20]]
    assert result.object_boxes[2].tolist() == [91, 0, 100, 9]
    assert result.query_ids.tolist() == [1, 2, 3], 'those of the second view follow on the first'
    assert len(merged(plain, mirrored, max_per_img=2)) == 2
    assert len(merged(plain, mirrored, nms=dict(type='HOITripletNMS', iou_threshold=1.0))) == 4


def test_without_object_the_humans_decide():
    nothing = [[np.nan] * 4]
    result = merged(
        view([[0, 0, 40, 40]], nothing, [0], [1.2]),
        view([[0, 0, 41, 40]], nothing, [0], [1.3]),
        view([[50, 0, 90, 40]], nothing, [0], [1.1]),
    )
    assert result.scores.tolist() == pytest.approx([1.3, 1.1]) and result.object_boxes.isnan().all()


def test_views_without_triplets():
    empty = view(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, np.float32))
    assert len(merged(empty, empty)) == 0
    one = view([[0, 0, 9, 9]], [[0, 0, 9, 9]], [0], [1.0])
    assert merged(empty, one).query_ids.tolist() == [0]


class LocatingDetector(torch.nn.Module):
    """Predicts one pair around the red pixels, as an exact detector would, in pixels of the original image."""

    def test_step(self, data):
        samples = []
        for image, sample in zip(data['inputs'], data['data_samples']):
            rows, columns = np.nonzero(image[2].numpy() > 127)  # BGR
            scale = np.array(sample.ori_shape[::-1]) / np.array(sample.img_shape[::-1])
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] * np.tile(scale, 2)
            sample.pred_hois = view([box.tolist()], [box.tolist()], [0], [1.0]).pred_hois
            samples.append(sample)
        return samples


def test_views_of_the_transforms_agree(tmp_path):
    """Sizes and flips of TestTimeAug, undone: every view sees the same place."""
    pixels = np.zeros((50, 100, 3), np.uint8)
    pixels[10:30, 20:60, 2] = 255
    pipeline = TRANSFORMS.build(
        dict(
            type='TestTimeAug',
            transforms=[
                [
                    dict(type='HOIResizeShortSide', scale=scale, backend='cv2', interpolation='nearest')
                    for scale in (50, 100)
                ],
                [dict(type='RandomFlip', prob=0.0)]
                + [dict(type='RandomFlip', prob=1.0, direction=d) for d in ('horizontal', 'vertical', 'diagonal')],
                [dict(type='PackHOIInputs')],
            ],
        )
    )
    item = pipeline(dict(img=pixels, img_path='a.png', img_id=0, img_shape=(50, 100), ori_shape=(50, 100)))
    assert len(item['inputs']) == 8
    model = MODELS.build(dict(type='HOITTAModel', module=LocatingDetector()))
    samples = model.test_step(pseudo_collate([item]))
    assert samples[0].pred_hois.human_boxes.tolist() == [[20, 10, 60, 30]]
