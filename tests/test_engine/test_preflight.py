"""What is wrong with a run is said in one sentence before a Runner is built."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from genvlkt_mmdet.engine import CheckpointError, ConfigError, launch, preflight, test_model, train_model
from genvlkt_mmdet.models.layers import classifier
from tests.test_engine.toy import detector_config
from tests.test_models.tiny import CLIP_DIMS, HICO_LIKE, detector_cfg, mimic_cfg

ABSENT_CLIP = dict(model_name='ViT-B-32-quickgelu', pretrained='openai')


@pytest.fixture
def cfg(tmp_path, monkeypatch) -> Config:
    """A small detector and a data set of one image; neither DETR nor CLIP is asked for."""

    def no_runner(cfg):
        pytest.fail('a Runner was built')

    monkeypatch.setattr(Runner, 'from_cfg', no_runner)
    return Config(detector_config(tmp_path))


@pytest.fixture
def state(cfg) -> dict:
    """What a checkpoint of ``cfg`` holds."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(copy.deepcopy(cfg.model))
    meta = dict(epoch=1, iter=1, dataset_meta=dict(vocabulary=HICO_LIKE, zero_shot=None))
    return dict(state_dict=model.state_dict(), meta=meta, optimizer=dict(), message_hub=dict())


@pytest.mark.parametrize(
    ('options', 'error', 'sentence'),
    [
        (
            {'model.bbox_head.num_querys': 3},
            ConfigError,
            "^model: GENHead has no setting 'num_querys': did you mean num_queries",
        ),
        (
            {'model.pretraned_detr': 'x'},
            ConfigError,
            "^model: GENVLKT has no setting 'pretraned_detr': did you mean pretrained",
        ),
        (
            {'model.bbox_head.type': 'GENHed'},
            ConfigError,
            "^model: no part is registered as 'GENHed': did you mean GENHead",
        ),
        ({'model.bbox_head.num_queries': 0}, ConfigError, 'num_queries must be a whole number of at least 1, not 0'),
        (
            {'model.bbox_head.num_queries': 2.5},
            ConfigError,
            'num_queries must be a whole number of at least 1, not 2.5',
        ),
        ({'model.bbox_head.hoi_classifier.clip_dims': -1}, ConfigError, 'clip_dims must be a whole number'),
        ({'model.bbox_head.decoder.num_layers': 0}, ConfigError, 'decoder.num_layers must be a whole number'),
        (
            {'model.bbox_head.obj_classifier.prior': 1.0},
            ConfigError,
            'prior of a classifier must be None or between 0 and 1',
        ),
        (
            {'model.bbox_head.embed_dims': 16},
            ConfigError,
            'embed_dims is 16, but the layers of its decoder have 32 channels',
        ),
        (
            {'model.bbox_head.zero_shot': 'nowhere'},
            ConfigError,
            "^model: 'toy' has no zero-shot split 'nowhere'; it has: some",
        ),
        ({'model.positional_encoding.num_feats': 8}, ConfigError, 'positional_encoding.num_feats x 2 16, encoder 32'),
        (
            {'model.test_cfg': dict(max_per_img=0)},
            ConfigError,
            'max_per_img must be a whole number of at least 1, not 0',
        ),
        (
            {'model.encoder.layer_cfg.self_attn_cfg.num_heads': 5},
            ConfigError,
            'embed_dim must be divisible by num_heads',
        ),
        (
            {'train_dataloader.dataset.zero_shoot': 'some'},
            ConfigError,
            "HOIDataset has no setting 'zero_shoot': did you mean zero",
        ),
        (
            {'train_dataloader.dataset.zero_shot': 'some'},
            ConfigError,
            "^model.bbox_head.zero_shot is None, but train_dataloader.dataset.zero_shot is 'some': set both",
        ),
        (
            {'model.bbox_head.zero_shot': 'some'},
            ConfigError,
            "^model.bbox_head.zero_shot is 'some', but train_dataloader.dataset.zero_shot is None: set both",
        ),
        (
            {'model.bbox_head.vocabulary': 'minihoi'},
            ConfigError,
            r'^model.bbox_head.vocabulary and train_dataloader.dataset.vocabulary do not agree .*: HOI classes are 46 .*, not 5',
        ),
        (
            {'train_dataloader.dataset.ann_file': 'gone.json'},
            FileNotFoundError,
            "^Annotation file '.*gone.json' of HOIDataset",
        ),
        (
            {'train_dataloader.dataset.data_prefix.img': 'gone'},
            FileNotFoundError,
            "^Image folder '.*gone' of HOIDataset",
        ),
        ({'model.pretrained_detr': 'gone.pth'}, FileNotFoundError, "^The pre-trained DETR 'gone.pth' is missing"),
        ({'optim_wrapper.type': 'AmpOptimWrapper'}, ConfigError, r'^Mixed precision in float16 .* needs a GPU'),
        ({'load_from': 'gone.pth'}, FileNotFoundError, "'gone.pth' does not exist"),
        ({'launcher': 'slurm'}, ConfigError, '^The launcher slurm needs GPUs'),
    ],
)
def test_mistakes_in_a_training(cfg, monkeypatch, options, error, sentence):
    monkeypatch.setattr(preflight, 'has_accelerator', lambda: False)
    monkeypatch.setattr(launch, 'has_accelerator', lambda: False)
    cfg.merge_from_dict(options)
    with pytest.raises(error, match=sentence) as caught:
        train_model(cfg)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('wrapper', 'place'),
    [
        (lambda leaf: dict(type='RepeatDataset', times=2, dataset=leaf), 'dataset.dataset'),
        (
            lambda leaf: dict(type='ConcatDataset', datasets=[dict(leaf, zero_shot=None), leaf]),
            r'dataset.datasets\[1\]',
        ),
    ],
)
def test_data_sets_in_wrappers(cfg, wrapper, place):
    cfg.train_dataloader.dataset = wrapper(dict(cfg.train_dataloader.dataset, zero_shot='some'))
    with pytest.raises(ConfigError, match=f"train_dataloader.{place}.zero_shot is 'some'"):
        train_model(cfg)


def test_missing_clip_is_said_at_once(cfg, monkeypatch):
    """For the text of the classifiers, and, where a checkpoint brings those, for the teacher."""
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    monkeypatch.setattr('genvlkt_mmdet.models.vlkt.clip_source._downloaded_weights', lambda *name: None)
    monkeypatch.setattr('genvlkt_mmdet.models.vlkt.clip_source._can_be_fetched', lambda addresses: False)
    monkeypatch.setattr('open_clip.create_model', lambda *a, **k: pytest.fail('open_clip tried to download'))
    for text in (True, False):
        cfg.model = detector_cfg(hoi_text=text, obj_text=text, loss_mimic=mimic_cfg(clip=ABSENT_CLIP))
        with pytest.raises(
            FileNotFoundError, match="^The weights 'openai' of the CLIP model 'ViT-B-32-quickgelu' are not on"
        ):
            train_model(cfg)


def test_starting_from_a_checkpoint_needs_neither_detr_nor_clip(cfg, state, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(classifier, 'encode_text', lambda *args: pytest.fail('CLIP was asked for'))
    cfg.model.update(pretrained_detr='gone.pth')
    for part in (cfg.model.bbox_head.hoi_classifier, cfg.model.bbox_head.obj_classifier):
        part.clip = ABSENT_CLIP
    cfg.load_from = str(tmp_path / 'start.pth')
    torch.save(state, cfg.load_from)
    model = train_model(copy.deepcopy(cfg))
    assert not model.needs_start

    resumed = copy.deepcopy(cfg)
    resumed.merge_from_dict(
        dict(load_from=str(tmp_path / 'work' / 'epoch_1.pth'), resume=True, experiment_name='resumed')
    )
    resumed.train_cfg.max_epochs = 2
    train_model(resumed)
    assert (tmp_path / 'work' / 'epoch_2.pth').is_file()

    # mmengine's own Runner, with the hook of configs/_base_/default_runtime.py
    plain = copy.deepcopy(cfg)
    plain.merge_from_dict(dict(resume=True, load_from=None, experiment_name='plain'))
    plain.train_cfg.max_epochs = 3
    plain.default_hooks.checkpoint_start = dict(type='CheckpointStartHook')
    Runner.from_cfg(plain).train()
    assert (tmp_path / 'work' / 'epoch_3.pth').is_file()


def test_a_checkpoint_of_other_classes_still_needs_their_text(cfg, state, tmp_path):
    """Fine-tuning on another vocabulary: the rest comes from the checkpoint, the rows from CLIP."""
    cfg.model.update(pretrained_detr='gone.pth')
    for part in (cfg.model.bbox_head.hoi_classifier, cfg.model.bbox_head.obj_classifier):
        part.clip = ABSENT_CLIP
    asked = []
    del state['state_dict']['bbox_head.hoi_classifier.fc.weight']
    torch.save(state, tmp_path / 'start.pth')
    cfg.load_from = str(tmp_path / 'start.pth')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, 'encode_text', lambda p, clip: asked.append(p) or torch.ones(len(p), CLIP_DIMS))
        model, finished = preflight.check_training(cfg)
    assert [len(prompts) for prompts in asked] == [5] and not model.needs_start and not finished


def test_a_finished_training_says_so(cfg, state, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(launch, 'print_log', lambda text, **kwargs: said.append(text))
    torch.save(state, tmp_path / 'epoch_1.pth')
    cfg.merge_from_dict(dict(load_from=str(tmp_path / 'epoch_1.pth'), resume=True))
    model = train_model(cfg)
    assert torch.equal(model.bbox_head.pair_embed.weight, state['state_dict']['bbox_head.pair_embed.weight'])
    file = tmp_path / 'epoch_1.pth'
    assert said == [
        f'The training is finished: {file} is its last checkpoint. To train longer, raise train_cfg.max_epochs.'
    ]


@pytest.mark.parametrize(
    ('spoil', 'sentence'),
    [
        (
            lambda state: state.pop('optimizer'),
            r'holds no state of a training to resume \(missing or damaged: optimizer\)',
        ),
        (lambda state: state.update(optimizer=[1]), r'\(missing or damaged: optimizer\)'),
        (lambda state: state['meta'].update(epoch=-3, iter=0.5), r'\(missing or damaged: meta.epoch, meta.iter\)'),
        (
            lambda state: [state.pop(key) for key in ('optimizer', 'message_hub', 'meta')],
            'meta.epoch, meta.iter, optimizer',
        ),
        (lambda state: state['state_dict']['neck.convs.0.conv.bias'].fill_(float('nan')), 'NaN or infinity in 1 of'),
        (lambda state: state.update(state_dict='text'), 'holds no weights'),
        (lambda state: state['meta']['dataset_meta'].update(zero_shot='some'), "zero-shot split 'some'"),
    ],
    ids=['published', 'no optimizer', 'impossible position', 'weights only', 'nan', 'text', 'other split'],
)
def test_checkpoints_that_cannot_be_resumed(cfg, state, tmp_path, spoil, sentence):
    spoil(state)
    file = tmp_path / 'a.pth'
    torch.save(state, file)
    cfg.merge_from_dict(dict(load_from=str(file), resume=True))
    with pytest.raises(CheckpointError, match=sentence) as caught:
        train_model(cfg)
    assert 'a.pth' in str(caught.value) and '\n' not in str(caught.value)


class Foreign:
    """A class that no checkpoint needs."""


def test_checkpoints_that_cannot_be_tested(cfg, state, tmp_path):
    cfg.load_from = str(tmp_path / 'a.pth')
    torch.save(dict(state, more=Foreign()), cfg.load_from)
    with pytest.raises(CheckpointError, match='safe loading refuses'):
        test_model(cfg)
    torch.save(state, cfg.load_from)
    content = bytearray((tmp_path / 'a.pth').read_bytes())
    content[len(content) // 2] ^= 16
    (tmp_path / 'a.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match='is damaged'):
        test_model(cfg)
    torch.save(state, cfg.load_from)
    cfg.test_dataloader.dataset.ann_file = 'gone.json'
    with pytest.raises(FileNotFoundError, match="Annotation file '.*gone.json'"):
        test_model(cfg)


def test_unsafe_detr_and_stale_text(cfg, tmp_path, monkeypatch):
    detr = tmp_path / 'detr.pth'
    torch.save(dict(model={}, more=Foreign()), detr)
    cfg.model.pretrained_detr = str(detr)
    with pytest.raises(CheckpointError, match=r"detr\.pth' holds an object of .*Foreign, which safe loading refuses"):
        train_model(cfg)
    torch.save({'w': torch.ones(1)}, detr)
    with pytest.raises(
        ConfigError, match=r"The pre-trained DETR '.*detr\.pth' does not fit: The checkpoint is no DETR"
    ):
        train_model(cfg)
    cfg.model.pretrained_detr = None
    (tmp_path / 'text.safetensors').write_bytes(b'stale')
    cfg.model.bbox_head.hoi_classifier.clip = dict(ABSENT_CLIP, text_embeddings=str(tmp_path / 'text.safetensors'))
    with pytest.raises(ConfigError, match='is no readable file of text embeddings'):
        train_model(cfg)


def test_configs_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.py').write_text('model = dict(\n')
    (tmp_path / 'b.py').write_text("_base_ = 'gone.py'\n")
    (tmp_path / 'c.py').write_text('a = 1\n')
    for name in ('a.py', 'b.py'):
        with pytest.raises((ConfigError, FileNotFoundError), match=name if name == 'a.py' else 'gone.py'):
            launch.load_config(name)
    with pytest.raises(ConfigError, match='^--cfg-options do not fit the config file c.py'):
        launch.load_config('c.py', {'a.b': 1})
