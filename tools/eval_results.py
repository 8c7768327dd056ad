"""Evaluates detections in a results file, with the results of the official programs."""

import argparse
import json

from genvlkt_mmdet.engine import command
from genvlkt_mmdet.evaluation import evaluate_detections, load_detections, load_ground_truth
from genvlkt_mmdet.evaluation.evaluate import count_triplets
from genvlkt_mmdet.evaluation.functional.hico import PROTOCOLS
from genvlkt_mmdet.evaluation.reporting.files import write_report
from genvlkt_mmdet.evaluation.reporting.tables import hico_table, vcoco_table
from genvlkt_mmdet.files import write_file
from genvlkt_mmdet.vocabulary import load_vocabulary


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'task', choices=('hico', 'vcoco'), help='hico: triplets of HOI classes; vcoco: roles and agents'
    )
    parser.add_argument(
        '--ann-file', required=True, help='annotations of the split, in any format that the datasets read'
    )
    parser.add_argument(
        '--results',
        required=True,
        help='results file (JSON or .npz), pickle of vsrl_eval.py, or folder of detections_XX.mat',
    )
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
    parser.add_argument(
        '--coco-file', nargs='+', help="COCO instances, when --ann-file is vcoco_*.json of V-COCO's release"
    )
    parser.add_argument('--split-ids', help='text file with the image ids of the split, with --coco-file')
    return parser.parse_args()


@command(OSError, ValueError, KeyError)
def main() -> None:
    """Entry point."""
    args = parse_args()
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


if __name__ == '__main__':
    main()
