"""Evaluates detections in a results file, with the results of the official programs.

Examples:
    genvlkt eval hico --ann-file data/hico_20160224_det/annotations/test_hico.json --results results.json --report report
    genvlkt eval vcoco --ann-file data/v-coco/annotations/test_vcoco.json --results results.pkl --classwise
"""

import argparse
import json

from ..engine import command
from ..evaluation import evaluate_detections, load_detections, load_ground_truth
from ..evaluation.evaluate import count_triplets
from ..evaluation.functional.hico import PROTOCOLS
from ..evaluation.reporting.files import write_report
from ..evaluation.reporting.tables import hico_table, vcoco_table
from ..files import write_file
from ..vocabulary import load_vocabulary
from .detections import add_detections


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    add_detections(parser)
    parser.add_argument('--out', help='writes all numbers, per-class AP included, to this JSON file')
    parser.add_argument(
        '--report', metavar='FOLDER', help='writes a report, classes.csv and classes.png, to this folder'
    )
    parser.add_argument('--classwise', action='store_true', help='prints every class')
    parser.add_argument('--vocabulary', help='vocabulary of a custom dataset (file or shipped name), with task hico')
    parser.add_argument(
        '--protocol', choices=PROTOCOLS, default='official', help="'qpic': the authors' Python evaluator"
    )
    parser.add_argument('--zero-shot', metavar='SPLIT', help='adds the mAP of unseen and seen classes of this split')
    parser.add_argument('--train-ann-file', help='training annotations: instances per class, for the report and qpic')


@command(OSError, ValueError, KeyError)
def run(args: argparse.Namespace) -> None:
    """Evaluates as the command line says."""
    if args.vocabulary and args.task == 'vcoco':
        raise ValueError('--vocabulary goes with the task hico: vcoco has its own vocabulary.')
    vocabulary = load_vocabulary(args.vocabulary or args.task)
    images = load_ground_truth(args.ann_file, vocabulary, args.coco_file, args.split_ids)
    counts = None
    if args.train_ann_file:
        if args.task == 'vcoco':
            raise ValueError('--train-ann-file goes with the task hico.')
        counts = count_triplets(load_ground_truth(args.train_ann_file, vocabulary, split='train'), vocabulary)
    detections = load_detections(args.results, images, vocabulary)
    summary = evaluate_detections(detections, images, vocabulary, args.zero_shot, args.protocol, counts)

    # Before the first line is printed, which fails if nobody reads it.
    if args.out:
        write_file(args.out, (json.dumps(summary, indent=1, allow_nan=False) + '\n').encode())
    reports = write_report(args.report, summary, vocabulary, counts, args.zero_shot) if args.report else []
    if detections.num_missing:
        print(f'{detections.num_missing} of {len(images)} images have no detections in {args.results}.')
    if detections.num_foreign:
        print(f'{detections.num_foreign} detections are in images outside the split and do not count.')
    if args.task == 'vcoco':
        print(vcoco_table(summary, args.classwise))
    else:
        phrases = [vocabulary.phrase(i) for i in range(vocabulary.num_hois)] if args.classwise else None
        print(hico_table(summary, args.zero_shot, phrases))
    if args.out:
        print(f'Numbers: {args.out}')
    for path in reports:
        print(f'Report: {path}')
