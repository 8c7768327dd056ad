import pytest
import torch
from torch.utils.data import DataLoader

from genvlkt_mmdet.datasets import hoi_collate
from genvlkt_mmdet.structures import HOIDataSample


class Items(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        torch.manual_seed(i)
        sample = HOIDataSample(metainfo=dict(img_id=i))
        sample.clip_image = torch.full((3, 4, 4), i / 2)
        large = torch.arange(2**19, dtype=torch.uint8) + i
        inputs = [
            torch.ones(2, 3) * i,
            torch.zeros(0, 4),
            large,
            torch.rand(3, 5).T,
            torch.tensor([i], dtype=torch.bfloat16),
        ]
        return dict(inputs=inputs, data_samples=sample)


@pytest.mark.parametrize('context', ['fork', 'forkserver'])
def test_batches_of_a_worker_are_those_without_one(context):
    alone = list(DataLoader(Items(), batch_size=2, collate_fn=hoi_collate))
    loader = DataLoader(
        Items(), batch_size=2, collate_fn=hoi_collate, num_workers=1, multiprocessing_context=context, timeout=120
    )
    for batch, expected in zip(loader, alone, strict=True):
        assert type(batch) is dict and list(batch) == ['inputs', 'data_samples']
        for row, other in zip(batch['inputs'], expected['inputs'], strict=True):
            for tensor, value in zip(row, other, strict=True):
                assert torch.equal(tensor, value) and tensor.dtype == value.dtype
                tensor.add_(1)  # the training may change what it gets
        for sample, value in zip(batch['data_samples'], expected['data_samples'], strict=True):
            assert sample.img_id == value.img_id and torch.equal(sample.clip_image, value.clip_image)
