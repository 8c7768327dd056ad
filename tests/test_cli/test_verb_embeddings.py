"""`genvlkt data verb-embeddings` and `genvlkt convert verb-embeddings`, from images to a classifier."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from safetensors import safe_open

from genvlkt_mmdet.apis import find_config
from genvlkt_mmdet.cli import run_verb
from genvlkt_mmdet.vocabulary import load_vocabulary


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Options for forty rendered training images."""
    root = tmp_path_factory.mktemp('minihoi')
    dataset = 'train_dataloader.dataset'
    return ['--cfg-options', f'{dataset}.data_root={root}/', f'{dataset}.render.sizes.train=40']


def test_from_images_to_a_classifier(images, tmp_path, capsys):
    """The rows are those of the file, the unseen verb starts at zero, and the file says where it comes from."""
    out = tmp_path / 'verbs.safetensors'
    arguments = ['hoiclip_tiny_minihoi', str(out), '--zero-shot', 'unseen_verb', '--device', 'cpu']
    run_verb('data verb-embeddings', [*arguments, *images])
    printed = capsys.readouterr().out
    assert '1 of 8 verbs have no sample in the training images: lift. Their rows are zeros.' in printed
    with safe_open(out, framework='pt') as file:
        metadata = file.metadata()
    assert (metadata['mode'], metadata['dataset'], metadata['zero_shot']) == ('arithmetic', 'minihoi', 'unseen_verb')
    assert metadata['clip'] == 'tiny_clip' and len(metadata['date']) == 10

    vocabulary = load_vocabulary('minihoi')
    cfg = Config.fromfile(find_config('hoiclip_tiny_minihoi')).model.bbox_head.hoi_classifier
    cfg.update(in_channels=128, vocabulary=vocabulary, classes='hois', clip_dims=128, verb_embeddings=str(out))
    classifier = MODELS.build(cfg)
    classifier.init_weights()
    lengths = classifier.verb_fc.weight.norm(dim=1)
    lift = vocabulary.verb_names.index('lift')
    assert lengths[lift] == 0
    torch.testing.assert_close(lengths[torch.arange(8) != lift], torch.ones(7))


def test_a_repeated_dataset_is_read_once(images, tmp_path):
    config = tmp_path / 'repeated.py'
    config.write_text(
        f'_base_ = {str(find_config("hoiclip_tiny_minihoi"))!r}\ninner = {{{{_base_.train_dataloader.dataset}}}}\n'
        "train_dataloader = dict(dataset=dict(_delete_=True, type='RepeatDataset', times=3, dataset=inner))\n"
    )
    options = [images[0], *(option.replace('.dataset.', '.dataset.dataset.') for option in images[1:])]
    run_verb('data verb-embeddings', [str(config), str(tmp_path / 'a.safetensors'), '--device', 'cpu', *options])
    run_verb(
        'data verb-embeddings', ['hoiclip_tiny_minihoi', str(tmp_path / 'b.safetensors'), '--device', 'cpu', *images]
    )
    found = []
    for name in 'ab':
        with safe_open(tmp_path / f'{name}.safetensors', framework='pt') as file:
            found.append((file.metadata(), file.get_tensor('verb_embeddings').tolist()))
    assert found[0] == found[1] and found[0][0]['images'] == '38'


def test_strict_refuses_a_verb_without_sample(images, tmp_path):
    arguments = ['hoiclip_tiny_minihoi', str(tmp_path / 'verbs.safetensors'), '--zero-shot', 'unseen_verb', '--strict']
    with pytest.raises(SystemExit, match='^error: 1 of 8 verbs have no sample .*: lift. Leave out --strict'):
        run_verb('data verb-embeddings', [*arguments, '--device', 'cpu', *images])
    assert not (tmp_path / 'verbs.safetensors').exists()


def test_a_file_of_the_authors_there_and_back(tmp_path):
    rows = torch.randn(117, 512)
    torch.save(rows, tmp_path / 'verb.pth')
    paths = [str(tmp_path / name) for name in ('verb.pth', 'verbs.safetensors', 'back.pth')]
    run_verb('convert verb-embeddings', [*paths[:2], '--vocabulary', 'hico'])
    run_verb('convert verb-embeddings', [*paths[1:], '--vocabulary', 'hico'])
    assert torch.equal(torch.load(paths[2], weights_only=True), rows)
    with pytest.raises(SystemExit, match=r"^error: '.*verb\.pth' has 117 verbs, but the vocabulary 'vcoco' has 29"):
        run_verb('convert verb-embeddings', [*paths[:2], '--vocabulary', 'vcoco'])
