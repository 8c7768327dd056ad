"""Checks a dataset: counts, missing images, invalid boxes, duplicates, class histogram.

Ends with an error if a finding would make training or evaluation fail or skip data.

Examples:
    genvlkt data check data/hico_20160224_det/annotations/test_hico.json \
        --vocabulary hico --images data/hico_20160224_det/images/test2015 --plot classes.png
    genvlkt data check my/train.json --vocabulary my/vocabulary.yaml --images my/photos --decode
"""

import argparse
import json
import sys
from pathlib import Path

from ...datasets.checking import check_dataset
from ...datasets.formats import read_annotations
from ...engine import command, in_range
from ...files import write_file
from ...vocabulary import load_vocabulary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('ann_file', type=Path, help='annotation file in any format that the datasets read')
    parser.add_argument('--vocabulary', required=True, help='hico, vcoco, minihoi or a vocabulary file')
    parser.add_argument('--images', type=Path, help='folder of the images')
    parser.add_argument('--decode', action='store_true', help='decode every image in full, not only its header')
    parser.add_argument('--split', choices=['train', 'test'], help="split to read, for HICO-DET's anno_bbox.mat")
    parser.add_argument(
        '--coco-file', type=Path, nargs='+', help="COCO instances, one file or several, for V-COCO's release"
    )
    parser.add_argument(
        '--examples',
        type=in_range(int, 0, 10**9),
        default=3,
        help='cases to list per kind of finding (default: %(default)s)',
    )
    parser.add_argument('--plot', type=Path, help='image file for the class histogram')
    parser.add_argument('--json', type=Path, help='JSON file for all findings')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Checks as the command line says."""
    vocabulary = load_vocabulary(args.vocabulary)
    records, family = read_annotations(args.ann_file, vocabulary, args.split, args.coco_file)
    findings = check_dataset(records, vocabulary, args.images, args.decode, progress=sys.stderr.isatty())
    print(f'{args.ann_file}, family {family}:')
    print(findings.to_text(args.examples))
    if args.json:
        write_file(args.json, json.dumps(findings.to_dict(), indent=1).encode())
    if args.plot:
        findings.plot(args.plot)
    if findings.num_errors:
        sys.exit(f'error: {findings.num_errors} findings would make training or evaluation fail or skip data.')
