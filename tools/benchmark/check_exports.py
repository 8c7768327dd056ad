"""Compares exported models with torch: the small model on rendered images, and GEN-VLKT-S with random weights at three sizes.

Each format runs with the classes of the training, 5 phrases and 700 phrases. The exit code is 1 if anything differs by more than
rounding. For a model of your own: genvlkt export ... --check IMAGES.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import common
import numpy as np
import torch
from mmengine.config import Config

from genvlkt_mmdet.apis import HOIInferencer, export_model
from genvlkt_mmdet.apis.configs import read_config
from genvlkt_mmdet.apis.export_check import ExportComparison, check_export, comparison_table
from genvlkt_mmdet.apis.hoi_inferencer import DEFAULT_MODEL, DEFAULT_WEIGHTS
from genvlkt_mmdet.export import SUFFIXES
from genvlkt_mmdet.minihoi.scenes import render_scene, sample_scene
from genvlkt_mmdet.models.vlkt import save_text_embeddings
from genvlkt_mmdet.vocabulary import HOIEntry, HOIVocabulary, load_vocabulary, open_vocabulary

#: Height and width of the images for GEN-VLKT-S. Its pipeline makes them 800 x 1066, 800 x 1201 and 1280 x 800.
SIZES = ((480, 640), (333, 500), (640, 400))
FIVE = [('hold', 'cup'), ('ride', 'horse'), ('wash', 'unicorn'), ('paint', 'horse'), ('kick', 'cup')]


def many_phrases(vocabulary: HOIVocabulary, number: int = 700) -> list[HOIEntry]:
    """Pairs of HICO-DET's verbs and the objects of a vocabulary, most of them new to its model."""
    verbs = [verb for verb in load_vocabulary('hico').verb_names if verb != 'no_interaction']
    pairs = [(verb, name) for verb, name in product(verbs, vocabulary.object_names) if name != 'person']
    return pairs[:: max(1, len(pairs) // number)][:number]


def scenes(number: int) -> list[np.ndarray]:
    """Rendered scenes of MiniHOI that are in none of its splits."""
    made = (render_scene(sample_scene(np.random.default_rng([14, i])))[0][..., ::-1] for i in range(number))
    return list(map(np.ascontiguousarray, made))


def random_images(sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """Smooth random images."""
    rng = np.random.default_rng(0)
    coarse = (rng.integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8) for height, width in sizes)
    return [
        np.ascontiguousarray(image.repeat(21, 0).repeat(21, 1)[:height, :width])
        for image, (height, width) in zip(coarse, sizes, strict=True)
    ]


def random_model(name: str, folder: Path, vocabularies: Sequence[Sequence[HOIEntry]]) -> tuple[Config, Path]:
    """Config and checkpoint of a model with random weights, whose CLIP has random embeddings of the phrases."""
    cfg = read_config(name)
    model = common.build_model(cfg, 'cpu')
    with torch.no_grad():  # as they are initialised, all queries find nearly the same
        for key, value in model.bbox_head.named_parameters():
            if value.dim() > 1:
                value.normal_(std=1 if 'embed' in key else 4 * value.shape[-1] ** -0.5)
    trained = model.bbox_head.trained_vocabulary
    opened = [open_vocabulary(trained, hois).vocabulary for hois in vocabularies]
    prompts = list(dict.fromkeys(text for own in opened for text in (*own.hoi_prompts, *own.object_prompts)))
    width = model.bbox_head.hoi_classifier.fc.in_features
    embeddings = torch.randn(len(prompts), width, generator=torch.Generator().manual_seed(0))
    clip = dict(cfg.model.bbox_head.hoi_classifier.clip, text_embeddings=str(folder / 'texts.safetensors'))
    save_text_embeddings(folder / 'texts.safetensors', prompts, embeddings, clip)
    for part in ('hoi_classifier', 'obj_classifier'):
        cfg.model.bbox_head[part].clip = clip
    weights = folder / 'random.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), weights)
    return cfg, weights


def compare(
    name: str,
    model: str | Config,
    weights: str | Path,
    images: list[np.ndarray],
    formats: Sequence[str],
    vocabularies: Sequence[Sequence[HOIEntry] | None],
) -> list[tuple[str, ExportComparison]]:
    """Exports a model in each format and compares it."""
    rows = []
    for kind in formats:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f'model{SUFFIXES[kind]}')
            export_model(model, weights, file, kind)
            found = check_export(model, weights, file, images, vocabularies)
        rows += [(f'{name}, {kind}', own) for own in found]
        print(comparison_table(rows[-len(found) :]), flush=True)
    return rows


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--formats', nargs='+', choices=SUFFIXES, default=list(SUFFIXES), help='formats to check')
    parser.add_argument('--images', type=int, default=200, help='rendered images for the small model')
    parser.add_argument('--model', default='gen_vlkt_s_hico', help='config of the model with random weights, or none')
    parser.add_argument('--sizes', nargs='+', type=common.size, default=SIZES, help='image sizes for it')
    parser.add_argument('--threads', type=int, default=2, help='threads on the CPU')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    trained = HOIInferencer(device='cpu', show_progress=False).vocabulary
    small = [None, FIVE, many_phrases(trained)]
    rows = compare('small model', DEFAULT_MODEL, DEFAULT_WEIGHTS, scenes(args.images), args.formats, small)
    if args.model != 'none':
        large = [FIVE, many_phrases(load_vocabulary('hico'))]
        with tempfile.TemporaryDirectory() as folder:
            cfg, weights = random_model(args.model, Path(folder), large)
            images = random_images(args.sizes)
            rows += compare(Path(args.model).stem, cfg, weights, images, args.formats, [None, *large])
    print(f'\n{comparison_table(rows)}')
    sys.exit(any(not own.equal for _, own in rows))


if __name__ == '__main__':
    main()
