"""Options of the verbs that read detections and the annotations of their images."""

import argparse


def add_detections(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Adds ``task``, ``--results``, ``--ann-file``, ``--coco-file`` and ``--split-ids``."""
    parser.add_argument(
        'task',
        nargs=None if required else '?',
        choices=('hico', 'vcoco'),
        help='hico: triplets of HOI classes; vcoco: roles and agents'
        + ('' if required else '. Without task and --ann-file: the test images of MiniHOI in data/minihoi'),
    )
    parser.add_argument(
        '--ann-file', required=required, help='annotations of the split, in any format that the datasets read'
    )
    parser.add_argument(
        '--results',
        required=required,
        help='results file (JSON or .npz), pickle of vsrl_eval.py, folder of detections_XX.mat, or folder of `genvlkt infer '
        '--out`',
    )
    parser.add_argument(
        '--coco-file', nargs='+', help="COCO instances, when --ann-file is vcoco_*.json of V-COCO's release"
    )
    parser.add_argument('--split-ids', help='text file with the image ids of the split, with --coco-file')


def add_vocabulary(parser: argparse.ArgumentParser) -> None:
    """Adds ``--vocabulary`` to the options of :func:`add_detections`."""
    parser.add_argument('--vocabulary', help='vocabulary of a custom dataset (file or shipped name), with task hico')


def check_vocabulary(args: argparse.Namespace) -> None:
    """Refuses a vocabulary for V-COCO."""
    if args.vocabulary and args.task == 'vcoco':
        raise ValueError('--vocabulary goes with the task hico: vcoco has its own vocabulary.')
