"""Evaluates detections in a results file, with the results of the official programs.

Examples:
    genvlkt eval hico --ann-file data/hico_20160224_det/annotations/test_hico.json --results results.json --report report
    genvlkt eval --diagnose results.json --report report
    genvlkt eval hico --ann-file test_hico.json --images test2015 --diagnose before.json after.json --report report
    genvlkt eval vcoco --ann-file data/v-coco/annotations/test_vcoco.json --results results.pkl --classwise
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ..engine import command
from ..evaluation import evaluate_detections, load_detections, load_ground_truth
from ..evaluation.evaluate import count_triplets, diagnose_detections
from ..evaluation.functional import DIAGNOSIS_PROTOCOLS
from ..evaluation.functional.hico import PROTOCOLS
from ..evaluation.reporting.diagnosis import diagnosis_table, summarize_diagnosis
from ..evaluation.reporting.diagnosis_page import write_diagnosis
from ..evaluation.reporting.files import write_report
from ..evaluation.reporting.tables import hico_table, vcoco_table
from ..files import write_file
from ..vocabulary import HOIVocabulary, load_vocabulary
from .detections import add_detections, add_vocabulary, check_vocabulary

_MINIHOI = Path('data/minihoi')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    add_detections(parser, required=False)
    parser.add_argument(
        '--diagnose',
        nargs='+',
        metavar='RESULTS',
        help='in place of --results: shows which errors cost mAP, or what changed between two results files',
    )
    parser.add_argument('--images', metavar='FOLDER', help='folder of the images, for the pictures of --diagnose')
    parser.add_argument('--out', help='writes all numbers, per-class AP included, to this JSON file')
    parser.add_argument(
        '--report',
        metavar='FOLDER',
        help='writes a report to this folder: classes.csv and classes.png, or diagnosis.html, .png and .json',
    )
    parser.add_argument('--classwise', action='store_true', help='prints every class')
    add_vocabulary(parser)
    parser.add_argument(
        '--protocol',
        choices=tuple(dict.fromkeys(PROTOCOLS + DIAGNOSIS_PROTOCOLS)),
        default='official',
        help="'qpic': the authors' Python evaluator. With --diagnose, 'clean' or 'diag-hoi': the definitions of Diag-HOI",
    )
    parser.add_argument('--zero-shot', metavar='SPLIT', help='adds the mAP of unseen and seen classes of this split')
    parser.add_argument('--train-ann-file', help='training annotations: instances per class, for the report and qpic')


@command(OSError, ValueError, KeyError)
def run(args: argparse.Namespace) -> None:
    """Evaluates as the command line says."""
    check_vocabulary(args)
    if (args.results is None) == (args.diagnose is None):
        raise ValueError('Give the detections either with --results or with --diagnose.')
    if args.task is None and args.ann_file is None:
        args.vocabulary, args.ann_file = args.vocabulary or 'minihoi', str(_MINIHOI / 'annotations' / 'test.json')
        args.images = args.images or str(_MINIHOI / 'images' / 'test')
        if not Path(args.ann_file).is_file():
            raise FileNotFoundError(
                f"There is no '{args.ann_file}' of MiniHOI: name your dataset with the task and --ann-file, or render "
                'MiniHOI with `genvlkt data render`.'
            )
    if args.task is None and args.vocabulary is None or args.ann_file is None:
        raise ValueError('Name the task, hico or vcoco, and the annotations with --ann-file.')
    vocabulary = load_vocabulary(args.vocabulary or args.task)
    images = load_ground_truth(args.ann_file, vocabulary, args.coco_file, args.split_ids)
    if args.diagnose:
        _diagnose(args, images, vocabulary)
        return
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


def _diagnose(args: argparse.Namespace, images: list[dict[str, Any]], vocabulary: HOIVocabulary) -> None:
    """Diagnoses one results file, or two side by side."""
    if len(args.diagnose) > 2:
        raise ValueError('--diagnose takes one results file, or two to compare.')
    names = [Path(path).name.partition('.')[0] for path in args.diagnose]
    if len(set(names)) < len(names):
        names = list(args.diagnose)
    if len(names) == 1:
        names = ['']
    diagnoses = [
        diagnose_detections(load_detections(path, images, vocabulary), images, vocabulary, args.protocol)
        for path in args.diagnose
    ]
    files: list[Path] = []
    if args.report:
        summaries, files = write_diagnosis(args.report, diagnoses, images, vocabulary, args.images, names)
    else:
        summaries = [summarize_diagnosis(diagnosis, vocabulary) for diagnosis in diagnoses]
    if args.out:
        write_file(args.out, (json.dumps(summaries, indent=1, allow_nan=False) + '\n').encode())
    print(diagnosis_table(summaries, names))
    for path in files:
        print(f'Report: {path}')
