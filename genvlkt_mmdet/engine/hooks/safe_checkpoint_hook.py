"""Writes checkpoints so that there is a complete one after an interruption at any moment."""

import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ...evaluation import HICOMetric, HOIBoxMetric, VCOCOMetric
from ...vocabulary import HOIVocabulary, load_vocabulary
from ..checkpoints import AtomicLocalBackend, checkpoint_meta
from ..embedded_config import embed_config


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's checkpoint hook with atomic writes. Old checkpoints are removed after the new one is complete.

    The original first deletes the oldest checkpoint (``max_keep_ckpts``) or the previous best one, and then writes in place. An
    interruption in between leaves nothing to resume from. This hook has the same arguments. With storage other than local files,
    it behaves like the original.

    ``save_best`` can be any metric of :class:`HICOMetric`, :class:`VCOCOMetric` and :class:`HOIBoxMetric`, such as
    'hico/full', or 'auto' for the first metric of the evaluation: 'hico/full' or 'vcoco/scenario_1/mean_24'.
    """

    # Names, or parts of names, of metrics where higher is better.
    _default_greater_keys = [
        *CheckpointHook._default_greater_keys,
        *(figure for metric in (HICOMetric, VCOCOMetric, HOIBoxMetric) for figure in metric.figures),
    ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The original passes on what it does not know, and the first checkpoint would fail.
        for name in self.args:
            if name not in inspect.signature(Runner.save_checkpoint).parameters:
                raise TypeError(f"SafeCheckpointHook.__init__() got an unexpected keyword argument '{name}'")

    def before_train(self, runner: Runner) -> None:
        """Selects the atomic file backend for local folders, then calls the original."""
        if self.backend_args is None and self.file_client_args is None and '://' not in str(self.out_dir or ''):
            self.backend_args = dict(backend=AtomicLocalBackend.name)
        super().before_train(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds the config and the vocabulary as plain data, so that inference does not need to run mmengine's Python text."""
        embed_config(checkpoint, runner.cfg)
        # mmengine writes the metainfo of the dataset twice: the message hub keeps it as well.
        for holder in (checkpoint_meta(checkpoint), checkpoint.get('message_hub', {}).get('runtime_info', {})):
            meta = holder.get('dataset_meta')
            if isinstance(meta, Mapping) and isinstance(meta.get('vocabulary'), HOIVocabulary):
                holder['dataset_meta'] = dict(meta, vocabulary=meta['vocabulary'].to_dict())

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Restores the vocabulary."""
        meta = checkpoint_meta(checkpoint).get('dataset_meta')
        if isinstance(meta, Mapping) and isinstance(meta.get('vocabulary'), Mapping):
            # mmengine compares the metainfo with that of the dataset when it resumes. A vocabulary that cannot be read
            # differs, and is no reason to stop here.
            with suppress(ValueError, TypeError, KeyError):
                checkpoint['meta']['dataset_meta'] = dict(meta, vocabulary=load_vocabulary(meta['vocabulary']))

    def _removals_last(self) -> AbstractContextManager:
        backend = self.file_backend
        return backend.removals_last() if isinstance(backend, AtomicLocalBackend) else nullcontext()

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        with self._removals_last():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        unknown = [key for key in self.key_indicators if key not in metrics and key != 'auto'] if self.save_best else []
        if unknown:
            raise ValueError(
                f"The checkpoint hook's save_best names '{unknown[0]}', which the evaluation does not give: choose one of "
                f'{", ".join(metrics)}.'
            )
        with self._removals_last():
            super()._save_best_checkpoint(runner, metrics)
