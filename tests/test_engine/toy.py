"""A model and a data set that train in a fraction of a second and use every source of randomness a real training does."""

import os
import random
import signal

import numpy as np
import torch
from mmdet.registry import DATASETS, HOOKS, MODELS
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn

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
