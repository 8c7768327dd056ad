"""A model and a data set that train in a fraction of a second and use every source of randomness a real training does."""

import copy
import json
import os
import random
import signal
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.registry import DATASETS, HOOKS, MODELS
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn

from tests.test_models.tiny import HICO_LIKE, detector_cfg

SAMPLES = 12


@DATASETS.register_module()
class ToyDataset(torch.utils.data.Dataset):
    """Numbers with noise from three generators, as augmentation draws them."""

    metainfo = dict(dataset_name='toy', classes=('person', 'ball'))

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        noise = torch.tensor([random.random(), float(np.random.rand()), float(torch.rand(()))])
        return dict(inputs=torch.full((3,), index / SAMPLES) + noise, data_samples=index)


@MODELS.register_module()
class ToyModel(BaseModel):
    """A linear layer behind dropout."""

    def __init__(self, width: int = 4):
        super().__init__()
        self.head = nn.Sequential(nn.Linear(3, width), nn.Dropout(0.5), nn.Linear(width, 1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        out = self.head(torch.stack(inputs) if isinstance(inputs, (list, tuple)) else inputs)
        return dict(loss=out.pow(2).mean()) if mode == 'loss' else out


@HOOKS.register_module()
class KillHook(Hook):
    """Kills the process, as hard as the system can, at the iteration or in the middle of the checkpoint that TOY_KILL names."""

    def before_train(self, runner):
        kind, _, value = os.environ.get('TOY_KILL', '').partition(':')
        self.kill_at = int(value) if kind == 'iter' else None
        if kind == 'write':
            from genvlkt_mmdet.engine import checkpoints

            put = checkpoints.AtomicLocalBackend.put

            def torn_put(backend, obj, filepath):
                if str(filepath).endswith(f'epoch_{value}.pth'):
                    os.replace = lambda source, target: os.kill(os.getpid(), signal.SIGKILL)
                    obj = obj[: len(obj) // 2]
                put(backend, obj, filepath)

            checkpoints.AtomicLocalBackend.put = torn_put

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def toy_config(
    work_dir: str, epochs: int = 4, num_workers: int = 0, persistent_workers: bool = False, seed: int | None = 0
) -> dict:
    """The config of a training of the toy model, with the hooks of configs/_base_/default_runtime.py."""
    return dict(
        custom_imports=dict(imports=['genvlkt_mmdet', 'tests.test_engine.toy'], allow_failed_imports=False),
        default_scope='mmdet',
        work_dir=str(work_dir),
        model=dict(type='ToyModel'),
        train_dataloader=dict(
            batch_size=4,
            num_workers=num_workers,
            persistent_workers=persistent_workers,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(type='ToyDataset'),
        ),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=epochs),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.05)),
        param_scheduler=[dict(type='MultiStepLR', by_epoch=True, milestones=[2], gamma=0.1)],
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=1),
            reproducible_epochs=dict(type='ReproducibleEpochsHook'),
        ),
        custom_hooks=[dict(type='KillHook')],
        randomness=dict(seed=seed),
        log_level='WARNING',
    )


def detector_config(folder: Path) -> dict:
    """The config of a small detector, and in ``folder`` its data of one image; it asks for neither DETR nor CLIP."""
    (folder / 'images').mkdir()
    cv2.imwrite(str(folder / 'images' / 'a.jpg'), np.zeros((64, 96, 3), np.uint8))
    record = dict(
        file_name='a.jpg',
        annotations=[dict(bbox=[1, 1, 30, 60], category_id=1), dict(bbox=[20, 9, 90, 50], category_id=5)],
        hoi_annotation=[dict(subject_id=0, object_id=1, category_id=1, hoi_category_id=11)],
    )
    (folder / 'train.json').write_text(json.dumps([record]))
    pipeline = [dict(type='LoadHOIImage'), dict(type='LoadHOIAnnotations', with_bbox=True), dict(type='PackHOIInputs')]
    dataset = dict(
        type='HOIDataset',
        data_root=str(folder),
        ann_file='train.json',
        data_prefix=dict(img='images'),
        vocabulary=HICO_LIKE,
        pipeline=pipeline,
    )
    loader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True), dataset=dataset)
    own = toy_config(folder / 'work', epochs=1)
    own.update(
        model=detector_cfg(mimic=False),
        train_dataloader=loader,
        test_dataloader=dict(copy.deepcopy(loader), sampler=dict(type='DefaultSampler', shuffle=False)),
        test_cfg=dict(type='TestLoop'),
        test_evaluator=dict(type='HICOMetric'),
        custom_hooks=[],
        custom_imports=dict(imports=['genvlkt_mmdet', 'tests.test_models.tiny']),
        experiment_name=folder.name,
    )
    own['test_dataloader']['dataset']['test_mode'] = True
    return own
