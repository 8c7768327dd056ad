import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from genvlkt_mmdet.structures import HOIDataSample


def test_fields_are_data_and_follow_to_the_device():
    sample = HOIDataSample(metainfo=dict(img_id=3))
    sample.gt_pairs = InstanceData(object_labels=torch.tensor([1, 2]))
    sample.pred_hois = InstanceData(scores=torch.tensor([0.5]))
    sample.clip_image = torch.ones(3, 2, 2)
    assert isinstance(sample, DetDataSample)
    moved = sample.to(torch.float64)
    assert moved.pred_hois.scores.dtype == torch.float64
    assert moved.clip_image.dtype == torch.float64
    assert moved.gt_pairs.object_labels.tolist() == [1, 2]
    assert moved.img_id == 3
    assert sample.clip_image.dtype == torch.float32


def test_absent_and_deleted_fields():
    sample = HOIDataSample()
    for name in ('gt_pairs', 'pred_hois', 'clip_image'):
        assert name not in sample
        with pytest.raises(AttributeError):
            getattr(sample, name)
    sample.gt_pairs = InstanceData()
    sample.pred_hois = InstanceData()
    sample.clip_image = torch.zeros(3, 2, 2)
    for name in ('gt_pairs', 'pred_hois', 'clip_image'):
        assert name in sample
        delattr(sample, name)
        assert name not in sample


def test_numpy_and_back():
    sample = HOIDataSample()
    sample.clip_image = torch.ones(3, 2, 2)
    assert sample.numpy().clip_image.tolist() == torch.ones(3, 2, 2).tolist()
    assert torch.equal(sample.numpy().to_tensor().clip_image, sample.clip_image)


def test_wrong_types_are_refused():
    sample = HOIDataSample()
    with pytest.raises(AssertionError):
        sample.gt_pairs = dict(human_boxes=[])
    with pytest.raises(AssertionError):
        sample.pred_hois = [1, 2]
    with pytest.raises(AssertionError):
        sample.clip_image = 'picture.jpg'
