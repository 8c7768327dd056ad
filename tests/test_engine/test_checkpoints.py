import os
import re

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DefaultScope
from torch import nn

from genvlkt_mmdet.engine import (
    AtomicLocalBackend,
    CheckpointError,
    SafeCheckpointHook,
    latest_checkpoint,
    load_weights,
)
from genvlkt_mmdet.engine.checkpoints import fitting_weights
from tests.test_models.tiny import HICO_LIKE, build_detector


@pytest.fixture
def backend() -> AtomicLocalBackend:
    return AtomicLocalBackend()


def test_put_replaces_the_file_in_one_step(tmp_path, backend, monkeypatch):
    file = tmp_path / 'new' / 'epoch_1.pth'
    backend.put(b'old', file)
    assert file.read_bytes() == b'old'

    def crash(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', crash)
    with pytest.raises(KeyboardInterrupt):
        backend.put(b'new content', file)
    assert file.read_bytes() == b'old'
    monkeypatch.undo()
    backend.put(b'new content', file)
    assert [path.name for path in file.parent.iterdir()] == ['epoch_1.pth'] and file.read_bytes() == b'new content'


def test_removals_come_last_and_only_when_all_went_well(tmp_path, backend):
    old = tmp_path / 'old'
    old.touch()
    with pytest.raises(OSError, match='full'), backend.removals_last():
        backend.remove(old)
        raise OSError('the disk is full')
    assert old.exists()
    with backend.removals_last():
        with backend.removals_last():
            backend.remove(old)
        assert old.exists()
    assert not old.exists()


class FakeHub(dict):
    runtime_info = property(lambda self: self)

    def update_info(self, key, value):
        self[key] = value

    def get_info(self, key):
        return self[key]


class FakeRunner:
    """As much of a Runner as the checkpoint hook sees; its checkpoints are named after the epoch."""

    def __init__(self, work_dir):
        self.work_dir, self.message_hub, self.epoch, self.iter, self.fail = str(work_dir), FakeHub(), 0, 0, False
        self.logger = type('Logger', (), dict(info=staticmethod(lambda text: None)))()

    def save_checkpoint(self, out_dir, filename, *args, backend_args=None, **kwargs):
        assert backend_args == dict(backend='atomic_local')
        if self.fail:
            raise KeyboardInterrupt
        AtomicLocalBackend().put(b'', os.path.join(out_dir, filename))


def test_the_previous_checkpoints_live_until_the_next_are_written(tmp_path):
    runner = FakeRunner(tmp_path)
    hook = SafeCheckpointHook(interval=1, max_keep_ckpts=1, save_best='mAP', rule='greater')
    hook.before_train(runner)

    def epoch(score: float) -> list[str]:
        try:
            hook.after_train_epoch(runner)
            runner.epoch += 1
            hook.after_val_epoch(runner, dict(mAP=score))
        except KeyboardInterrupt:
            runner.epoch += 1
        return sorted(path.name for path in tmp_path.glob('*.pth'))

    assert epoch(0.1) == ['best_mAP_epoch_1.pth', 'epoch_1.pth']
    assert epoch(0.2) == ['best_mAP_epoch_2.pth', 'epoch_2.pth']
    runner.fail = True
    assert epoch(0.3) == ['best_mAP_epoch_2.pth', 'epoch_2.pth']
    with pytest.raises(KeyboardInterrupt):
        hook.after_val_epoch(runner, dict(mAP=0.4))
    assert (tmp_path / 'best_mAP_epoch_2.pth').exists()


def test_other_storage_is_left_to_mmengine():
    hook = SafeCheckpointHook(out_dir='s3://bucket/run')
    assert hook.backend_args is None
    with pytest.raises(Exception, match='petrel|s3|Petrel|oss'):
        hook.before_train(FakeRunner('unused'))
    assert hook.backend_args is None


def test_latest_checkpoint(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    for epoch in (2, 10):
        torch.save(dict(epoch=epoch), tmp_path / f'epoch_{epoch}.pth')
    torch.save(dict(), tmp_path / 'best_mAP_epoch_11.pth')
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'epoch_10.pth'), 'no pointer: the highest number'
    pointer = tmp_path / 'last_checkpoint'
    pointer.touch()
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'epoch_10.pth'), 'pointer cut off by a kill'
    pointer.write_text(str(tmp_path / 'epoch_2.pth'))
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'epoch_2.pth')
    elsewhere = tmp_path / 'original'
    elsewhere.mkdir()
    torch.save(dict(), elsewhere / 'epoch_2.pth')
    pointer.write_text(str(elsewhere / 'epoch_2.pth'))
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'epoch_2.pth'), 'the work folder is a copy'
    pointer.write_text(str(elsewhere / 'epoch_3.pth'))
    torch.save(dict(), elsewhere / 'epoch_3.pth')
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'epoch_10.pth'), 'a copy without the last checkpoint'
    pointer.write_text('folder/of/before/epoch_2.pth')
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'epoch_2.pth'), 'the work folder was moved'
    torn = tmp_path / 'epoch_11.pth'
    torn.write_bytes((tmp_path / 'epoch_10.pth').read_bytes()[:-40])
    pointer.write_text(str(torn))
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'epoch_10.pth'), 'the last file is not complete'
    content = bytearray((tmp_path / 'epoch_10.pth').read_bytes())
    content[content.index(b'epoch')] ^= 1
    (tmp_path / 'epoch_12.pth').write_bytes(content)
    pointer.write_text(str(tmp_path / 'epoch_12.pth'))
    assert latest_checkpoint(tmp_path) == str(tmp_path / 'epoch_10.pth'), 'a bit of the last file has changed'


def test_latest_checkpoint_of_a_hook_with_its_own_folder(tmp_path):
    work, out = tmp_path / 'run', tmp_path / 'out'
    for folder in (work, out / 'run'):
        folder.mkdir(parents=True)
    torch.save(dict(), out / 'run' / 'epoch_1.pth')
    (work / 'last_checkpoint').write_text(str(out / 'run' / 'epoch_1.pth'))
    assert latest_checkpoint(work) is None
    assert latest_checkpoint(work, out) == str(out / 'run' / 'epoch_1.pth')


def model(width: int = 2) -> nn.Module:
    return nn.ModuleDict(dict(head=nn.Linear(3, width)))


def test_fitting_weights_are_loaded():
    source, target = model(), model()
    prefixed = {f'module.{key}': value for key, value in source.state_dict().items()}
    load_weights(target, dict(state_dict=prefixed), 'a.pth', 'b.py')
    assert torch.equal(target['head'].weight, source['head'].weight)


@pytest.mark.parametrize(
    ('checkpoint', 'sentence'),
    [
        (
            dict(state_dict=model(5).state_dict(), meta=dict(experiment_name='gen_vlkt_m_20261122_210000')),
            'The checkpoint a.pth does not fit the config b.py: of its weights are 2 of another shape (head.weight is 5x3 '
            'instead of 2x3, head.bias is 5 instead of 2); it was trained with the config gen_vlkt_m.py.',
        ),
        (
            {'head.weight': torch.zeros(2, 3), 'tail.bias': torch.zeros(2)},
            'The checkpoint a.pth does not fit the config b.py: of its weights are 1 missing (head.bias), 1 unknown (tail.bias).',
        ),
        (dict(meta=dict()), 'a.pth holds no weights: neither "model" nor "state_dict" is a dict of tensors.'),
        (
            {'head.weight': torch.ones(2, 3).long(), 'head.bias': torch.tensor(1.0)},
            'of its weights are 1 of another shape (head.bias is one number instead of 2), '
            '1 of another type (head.weight is int64 instead of float32).',
        ),
        (
            dict(state_dict=dict(model().state_dict(), x=torch.ones(1)), meta=dict(experiment_name=torch.ones(2))),
            'of its weights are 1 unknown (x).',
        ),
        ([1, 2], 'a.pth holds no weights: give a checkpoint that training has written.'),
    ],
    ids=['other shapes', 'other keys', 'no weights', 'other types', 'a strange name', 'no dict'],
)
def test_weights_that_do_not_fit_are_refused_in_one_sentence(checkpoint, sentence):
    with pytest.raises(CheckpointError, match=re.escape(sentence) + '$'):
        load_weights(model(), checkpoint, 'a.pth', 'b.py')


def test_whole_numbers_are_no_weights_to_start_from():
    state = model().state_dict()
    assert fitting_weights(model(), dict(state, **{'head.weight': torch.ones(2, 3).long()}), 'a.pth') == {'head.bias'}


def test_long_lists_of_keys_are_cut():
    checkpoint = {f'tail.{i}': torch.zeros(1) for i in range(5)} | model().state_dict()
    with pytest.raises(CheckpointError, match=r'5 unknown \(tail\.0, tail\.1, tail\.2 and 2 more\)'):
        load_weights(model(), checkpoint, 'a.pth', 'b.py')


def test_wrapped_models(tmp_path):
    """The wrapper of distributed training puts 'module.' before every key of its own."""
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        source, target = model(), MMDistributedDataParallel(model())
        load_weights(target, dict(state_dict=source.state_dict()), 'a.pth', 'b.py')
        assert torch.equal(target.module['head'].weight, source['head'].weight)
        with pytest.raises(CheckpointError, match=r'of its weights are 2 of another shape \(head\.weight is 5x3'):
            load_weights(target, model(5).state_dict(), 'a.pth', 'b.py')
    finally:
        torch.distributed.destroy_process_group()


def test_checkpoint_of_other_classes():
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = build_detector()

    def checkpoint(**meta):
        return dict(state_dict=detector.state_dict(), meta=dict(dataset_meta=meta))

    load_weights(detector, checkpoint(vocabulary=HICO_LIKE, zero_shot=None), 'a.pth', 'b.py')
    load_weights(detector, checkpoint(CLASSES=('person',)), 'a.pth', 'b.py')
    verbs = [dict(id=1, name='lift', phrase='lifting'), HICO_LIKE['verbs'][1]]
    sentence = (
        'The checkpoint a.pth was trained with another vocabulary than model.bbox_head.vocabulary of the config b.py: its HOI '
        "class 0 is 'lift cup', not 'hold cup'."
    )
    with pytest.raises(CheckpointError, match=re.escape(sentence) + '$'):
        load_weights(detector, checkpoint(vocabulary=dict(HICO_LIKE, verbs=verbs)), 'a.pth', 'b.py')
    with pytest.raises(CheckpointError, match=r"zero-shot split 'some', but model\.bbox_head\.zero_shot .* is None"):
        load_weights(detector, checkpoint(vocabulary=HICO_LIKE, zero_shot='some'), 'a.pth', 'b.py')
    with pytest.raises(CheckpointError, match='holds a vocabulary that cannot be read'):
        load_weights(detector, checkpoint(vocabulary=dict(name=1)), 'a.pth', 'b.py')
