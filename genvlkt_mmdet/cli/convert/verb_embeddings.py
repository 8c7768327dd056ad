"""Converts the rows of HOICLIP's verb classifier from or to a verb file of the authors (verb.pth, vcoco_verb.pth).

The numbers do not change. The rows of V-COCO are not of unit length there, and stay so.

Examples:
    genvlkt convert verb-embeddings verb.pth verbs_hico.safetensors --vocabulary hico
    genvlkt convert verb-embeddings vcoco_verb.pth verbs_vcoco.safetensors --vocabulary vcoco
    genvlkt convert verb-embeddings verbs_hico.safetensors verb.pth --vocabulary hico
"""

import argparse
from pathlib import Path

from ...converters import save_checkpoint
from ...engine import command
from ...models.vlkt import load_verb_embeddings, read_official_verbs, save_verb_embeddings
from ...vocabulary import load_vocabulary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('source', help="the authors' .pth file, or a .safetensors file of this package")
    parser.add_argument('target', help='file to write, of the other kind')
    parser.add_argument('--vocabulary', choices=('hico', 'vcoco'), required=True, help='the dataset of the file')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Converts as the command line says."""
    vocabulary = load_vocabulary(args.vocabulary)
    if args.source.endswith('.safetensors'):
        rows = load_verb_embeddings(args.source, vocabulary.verb_names)
        save_checkpoint(args.target, rows)
    else:
        rows = read_official_verbs(args.source, vocabulary)
        origin = dict(mode='official', dataset=vocabulary.name, file=Path(args.source).name)
        save_verb_embeddings(args.target, vocabulary.verb_names, rows, origin)
    print(f'{args.target}: {rows.shape[0]} verbs, {rows.shape[1]} wide')
