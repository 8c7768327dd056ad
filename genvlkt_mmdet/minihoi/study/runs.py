"""One run of the ablation study."""

import hashlib
import json
import time
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from ...apis.configs import CONFIGS
from ...engine import training_config
from ...vocabulary import HOIVocabulary, load_vocabulary
from .results import Result

# The settings that determine a result. The test data are the same for all runs.
DECISIVE = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler')


def load_run(config: str, seed: int, work_dir: Path) -> Config:
    """Loads a config below ``configs/`` for :func:`run`, with a seed and a folder for logs."""
    cfg = training_config(
        CONFIGS / config,
        work_dir=work_dir / Path(config).stem / f'seed_{seed}',
        cfg_options={'randomness.seed': seed, 'default_hooks.checkpoint': None, 'log_level': 'ERROR'},
    )
    # Only results on the test split are reported.
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    return cfg


def digest(cfg: Config) -> str:
    """Digest of model, training data and schedule, eight hexadecimal digits. Another digest means another experiment."""
    decisive = {key: cfg.to_dict()[key] for key in DECISIVE}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:8]


def run(config: str, cfg: Config) -> Result:
    """Trains a config and evaluates it on the test split.

    Args:
        config (str): Name of the run: config below ``configs/``.
        cfg (Config): The config, see :func:`load_run`.

    Returns:
        Result: The result.
    """
    start = time.time()
    runner = Runner.from_cfg(cfg)
    runner.train()
    figures = runner.test()
    ap = runner.test_evaluator.metrics[0].summary['default']['ap']
    head = cfg.model.bbox_head
    phrases_unseen = None
    if head.get('zero_shot') and head.hoi_classifier.type == 'TextClassifier' and 'text' not in head.hoi_classifier:
        runner.model = with_phrases_only(runner.model, cfg.model)
        phrases_unseen = runner.test()['hico/unseen']
    return Result(
        config=config,
        seed=cfg.randomness.seed,
        digest=digest(cfg),
        images=cfg.train_cfg.max_iters * cfg.train_dataloader.batch_size,
        **{key: figures.get(f'hico/{key}') for key in ('full', 'rare', 'non_rare', 'unseen', 'seen')},
        phrases_unseen=phrases_unseen,
        minutes=round((time.time() - start) / 60, 2),
        date=date.today().isoformat(),
        ap=tuple(ap),
    )


def with_phrases_only(trained: nn.Module, model_cfg: dict[str, Any]) -> nn.Module:
    """Makes a model that knows unseen HOIs and objects only as phrases, from ``set_vocabulary``.

    Its classifiers have only the seen classes. They take the trained weights, without the rows of the unseen classes that the
    zero-shot model has for evaluation.

    Args:
        trained (nn.Module): Detector trained with a zero-shot split.
        model_cfg (dict): Its config.

    Returns:
        nn.Module: The detector. Its vocabulary consists of phrases for all classes of the trained model.
    """
    whole = load_vocabulary(model_cfg['bbox_head']['vocabulary'])
    part, objects = seen_only(whole, model_cfg['bbox_head']['zero_shot'])
    cfg = deepcopy(model_cfg)
    cfg['bbox_head'].update(vocabulary=part, zero_shot=None)
    model = MODELS.build(cfg)
    state = {name: value for name, value in trained.state_dict().items() if '.eval_fc.' not in name}
    rows = torch.tensor([*objects, whole.num_object_logits - 1])
    for name in ('weight', 'bias'):
        key = f'bbox_head.obj_classifier.fc.{name}'
        state[key] = state[key][rows]
    model.load_state_dict(state)
    model.set_vocabulary([whole.phrase(index) for index in range(whole.num_hois)])
    return model.eval()


def seen_only(vocabulary: HOIVocabulary, split: str) -> tuple[dict[str, Any], list[int]]:
    """Removes the unseen classes of a zero-shot split from a vocabulary, with the verbs and objects that only they have.

    Args:
        vocabulary (HOIVocabulary): The vocabulary.
        split (str): Name of the zero-shot split.

    Returns:
        tuple[dict, list[int]]: The remaining vocabulary, and the indices of its objects.
    """
    seen, unseen = vocabulary.seen(split), vocabulary.unseen(split)
    data = vocabulary.to_dict()

    def known(part: tuple[int, ...], total: int) -> list[int]:
        lost = {part[i] for i in unseen} - {part[i] for i in seen}
        return [i for i in range(total) if i not in lost]

    verbs = known(vocabulary.hoi_verbs, vocabulary.num_verbs)
    objects = known(vocabulary.hoi_objects, vocabulary.num_objects)
    return dict(
        name=f'{vocabulary.name} without the unseen HOIs of {split}',
        verbs=[data['verbs'][i] for i in verbs],
        objects=[data['objects'][i] for i in objects],
        hois=[
            dict(hoi, verb=verbs.index(hoi['verb']), object=objects.index(hoi['object']))
            for hoi in (data['hois'][i] for i in seen)
        ],
        object_prompts=[vocabulary.object_prompts[i] for i in (*objects, vocabulary.num_object_logits - 1)],
    ), objects
