"""Splits an annotation file into parts that all have its interactions, also the rare ones.

The parts are train.json, val.json and test.json. Choose settings and checkpoints on val, and report the results on test.

Examples:
    genvlkt data split kitchen/all.json --vocabulary kitchen/vocabulary.yaml --out-dir kitchen
    genvlkt data split kitchen/all.json --vocabulary kitchen/vocabulary.yaml --out-dir kitchen --shares 0.8 0.2 0
"""

import argparse
from pathlib import Path

from ...datasets.checking import check_dataset
from ...datasets.formats import read_annotations, write_annotations
from ...datasets.splitting import split_records
from ...engine import command, in_range
from ...text_table import text_table
from ...vocabulary import load_vocabulary

_PARTS = ('train', 'val', 'test')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('ann_file', type=Path, help='annotation file in any format that the datasets read')
    parser.add_argument('--vocabulary', required=True, help='a vocabulary file, or hico, vcoco, minihoi')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for the parts')
    parser.add_argument(
        '--shares',
        type=in_range(float, 0, 10**9),
        nargs=3,
        default=(0.6, 0.2, 0.2),
        metavar=('TRAIN', 'VAL', 'TEST'),
        help='share of the images in each part, 0 for no such part (default: 0.6 0.2 0.2)',
    )
    parser.add_argument('--seed', type=in_range(int, 0, 2**32 - 1), default=0, help='seed (default: %(default)s)')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Splits, and prints how often each class is in each part."""
    vocabulary = load_vocabulary(args.vocabulary)
    records, _ = read_annotations(args.ann_file, vocabulary)
    if errors := check_dataset(records, vocabulary).num_errors:
        raise ValueError(f"'{args.ann_file}' has {errors} errors: `genvlkt data check` lists them.")
    shares = {name: share for name, share in zip(_PARTS, args.shares, strict=True) if share}
    parts = split_records(records, shares, args.seed)
    counts = []
    for name, part in parts.items():
        write_annotations(part, args.out_dir / f'{name}.json')
        counts.append(check_dataset(part, vocabulary).hoi_counts)
    header = ['HOI class', *(f'{name} ({len(part)} images)' for name, part in parts.items())]
    rows = [[vocabulary.phrase(k), *(str(count[k]) for count in counts)] for k in range(vocabulary.num_hois)]
    print(text_table(header, rows))
    print(f'{", ".join(f"{name}.json" for name in parts)} are in {args.out_dir}')
