import importlib.util
import json
import sys
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from genvlkt_mmdet.models.vlkt import encode_text
from genvlkt_mmdet.vocabulary import load_vocabulary

TOOL = Path(__file__).parents[2] / 'tools' / 'extract_text_embeddings.py'


@pytest.fixture
def run(monkeypatch, capsys):
    """Calls the tool's main() with a command line: exit status or message, and what it printed."""
    spec = importlib.util.spec_from_file_location('extract_text_embeddings', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def call(*args: object) -> tuple[object, str]:
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        try:
            tool.main()
        except SystemExit as stopped:
            return stopped.code, ''.join(capsys.readouterr())
        return 0, ''.join(capsys.readouterr())

    return call


def test_vocabulary_phrases_and_model(tmp_path, run, monkeypatch):
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path / 'cache'))
    torch.manual_seed(0)
    cfg = dict(
        embed_dim=16,
        vision_cfg=dict(image_size=32, layers=1, width=32, head_width=16, patch_size=16),
        text_cfg=dict(context_length=77, vocab_size=49408, width=16, heads=2, layers=1),
    )
    clip = tmp_path / 'clip'
    clip.mkdir()
    (clip / 'open_clip_config.json').write_text(json.dumps(dict(model_cfg=cfg, preprocess_cfg={})))
    save_file(
        {k: v.contiguous() for k, v in open_clip.CLIP(**cfg).state_dict().items()}, str(clip / 'model.safetensors')
    )
    (tmp_path / 'phrases.txt').write_text('a person feeding a giraffe\n\na photo of nothing\n')
    out, copy = tmp_path / 'x.safetensors', tmp_path / 'copy'
    code, printed = run(
        '--vocabulary',
        'vcoco',
        '--phrases',
        tmp_path / 'phrases.txt',
        '--model',
        clip,
        '--out',
        out,
        '--save-model',
        copy,
    )
    assert code == 0, printed
    vocab = load_vocabulary('vcoco')
    prompts = list(dict.fromkeys([*vocab.hoi_prompts, *vocab.object_prompts, 'a person feeding a giraffe']))
    with safe_open(str(out), framework='pt') as file:
        assert json.loads(file.metadata()['prompts']) == prompts
    assert f'{len(prompts)} prompts, 16 wide' in printed
    # The file belongs to the copy, and serves it.
    embeddings = encode_text(prompts[:3], dict(pretrained=str(copy), text_embeddings=str(out)))
    torch.testing.assert_close(embeddings, encode_text(prompts, str(clip))[:3], rtol=0, atol=1e-6)


def test_absent_weights_end_in_one_sentence(tmp_path, run, monkeypatch):
    def no_network(*args, **kwargs):
        raise RuntimeError('Failed to download weights')

    monkeypatch.setattr(open_clip, 'create_model', no_network)
    message, _ = run('--vocabulary', 'hico', '--out', tmp_path / 'x.safetensors')
    assert message.startswith(
        "error: The weights 'openai' of the CLIP model 'ViT-B-32-quickgelu' are not on this machine"
    )
    assert '\n' not in message and not (tmp_path / 'x.safetensors').exists()


@pytest.mark.parametrize(
    'args, message',
    [(['--vocabulary', 'hico'], 'give --out, --save-model or both'), (['--out', 'x'], 'needs --vocabulary')],
)
def test_nothing_to_do(run, args, message):
    code, printed = run(*args)
    assert code == 2 and message in printed
