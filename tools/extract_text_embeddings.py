"""Computes the text embeddings of a vocabulary or of phrases with any open_clip model and writes them to a file.

With this file, training and inference need no CLIP weights: set ``clip.text_embeddings='<file>'``. Training with the mimic
loss also needs the image encoder: ``--save-model`` writes the whole model to a folder, to be used as
``clip=dict(pretrained='<folder>')``.

Examples:
    python tools/extract_text_embeddings.py --vocabulary hico --out hico_vit_b_32.safetensors
    python tools/extract_text_embeddings.py --phrases phrases.txt --model genvlkt://tiny_clip --out phrases.safetensors
    python tools/extract_text_embeddings.py --model ViT-B-32-quickgelu --pretrained openai --save-model clip_model
"""

import process_policy  # noqa: F401, I001  (first: OpenMP reads it when torch is loaded)

import argparse
from pathlib import Path

from genvlkt_mmdet.vocabulary import load_vocabulary
from genvlkt_mmdet.engine import command
from genvlkt_mmdet.files import names_file
from genvlkt_mmdet.models.vlkt import CLIPSource, compute_text_embeddings, save_clip_model, save_text_embeddings


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Compute text embeddings of CLIP')
    parser.add_argument(
        '--vocabulary', help='hico, vcoco, minihoi or a vocabulary file, for its HOI and object prompts'
    )
    parser.add_argument('--phrases', type=Path, help='text file with one prompt per line')
    parser.add_argument(
        '--model',
        default='ViT-B-32-quickgelu',
        help='architecture of open_clip, or a folder with open_clip_config.json',
    )
    parser.add_argument('--pretrained', help='weights: a tag of open_clip, a file or a folder (default: openai)')
    parser.add_argument('--out', type=Path, help='.safetensors file to write')
    parser.add_argument('--save-model', type=Path, metavar='FOLDER', help='write the model itself to this folder')
    args = parser.parse_args()
    if not args.out and not args.save_model:
        parser.error('nothing to do: give --out, --save-model or both')
    if args.out and not (args.vocabulary or args.phrases):
        parser.error('--out needs --vocabulary, --phrases or both')
    return args


def read_prompts(vocabulary: str | None, phrases: Path | None) -> list[str]:
    """Returns the requested prompts in order, without duplicates."""
    prompts: list[str] = []
    if vocabulary:
        loaded = load_vocabulary(vocabulary)
        prompts += [*loaded.hoi_prompts, *loaded.object_prompts]
    if phrases:
        with names_file(phrases, 'write one prompt per line, in UTF-8'):
            lines = [line.strip() for line in phrases.read_text(encoding='utf-8').splitlines() if line.strip()]
            if not lines:
                raise ValueError('it holds no prompt')
        prompts += lines
    return list(dict.fromkeys(prompts))


@command(OSError, ValueError)
def main() -> None:
    """Computes and writes as the command line says."""
    args = parse_args()
    clip = dict(model_name=args.model)
    if args.pretrained or '/' not in args.model:
        clip['pretrained'] = args.pretrained or 'openai'
    source = CLIPSource.from_cfg(clip)
    if args.save_model:
        save_clip_model(args.save_model, source)
        print(f"{args.save_model}: the whole model; use it as clip=dict(pretrained='{args.save_model}')")
        # The embeddings then belong to the copy.
        source = CLIPSource.from_cfg(dict(pretrained=str(args.save_model)))
    if args.out:
        prompts = read_prompts(args.vocabulary, args.phrases)
        embeddings = compute_text_embeddings(prompts, source)
        save_text_embeddings(args.out, prompts, embeddings, source)
        print(f'{args.out}: {embeddings.shape[0]} prompts, {embeddings.shape[1]} wide, by {source.label}')


if __name__ == '__main__':
    main()
