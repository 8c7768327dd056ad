"""Writes detections in the format of the official programs: .mat files for HICO-DET, a pickle for V-COCO.

Examples:
    genvlkt convert results hico --ann-file test_hico.json --results results.json --out detections
    genvlkt convert results vcoco --ann-file test_vcoco.json --results results.json --out detections.pkl
"""

import argparse

from ...engine import command
from ...evaluation import export_detections, load_detections, load_ground_truth
from ...vocabulary import load_vocabulary
from ..detections import add_detections


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    add_detections(parser)
    parser.add_argument('--out', required=True, help='hico: folder for detections_XX.mat; vcoco: the .pkl file')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Converts as the command line says."""
    vocabulary = load_vocabulary(args.task)
    images = load_ground_truth(args.ann_file, vocabulary, args.coco_file, args.split_ids)
    detections = load_detections(args.results, images, vocabulary)
    files = export_detections(args.out, detections, images, vocabulary)
    if detections.num_missing:
        print(f'{detections.num_missing} of {len(images)} images have no detections in {args.results}.')
    print(f'{len(files)} file(s) in {args.out}' if args.task == 'hico' else f'Written: {files[0]}')
