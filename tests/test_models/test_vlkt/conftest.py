"""A small random CLIP with the standard tokenizer, as a folder, and a cache folder of its own for every test."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

MODEL_CFG = dict(
    embed_dim=32,
    vision_cfg=dict(image_size=32, layers=1, width=32, head_width=16, patch_size=16),
    text_cfg=dict(context_length=77, vocab_size=49408, width=16, heads=2, layers=1),
)


def write_model(folder: Path, seed: int = 0) -> open_clip.CLIP:
    """Writes a random model in open_clip's own folder format and returns it."""
    torch.manual_seed(seed)
    model = open_clip.CLIP(**MODEL_CFG).eval()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'open_clip_config.json').write_text(json.dumps(dict(model_cfg=MODEL_CFG, preprocess_cfg={})))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, str(folder / 'open_clip_model.safetensors'))
    return model


@pytest.fixture(scope='session')
def small_clip(tmp_path_factory) -> tuple[Path, open_clip.CLIP]:
    """Folder of a small random CLIP, and the model itself."""
    folder = tmp_path_factory.mktemp('clip') / 'small'
    return folder, write_model(folder)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv('GENVLKT_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'text_embeddings'
