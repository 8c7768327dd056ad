"""Writes detections with the kind of their error for FiftyOne, which shows and filters them.

Open the folder in Python:
`dataset = fiftyone.Dataset.from_dir('DIR', dataset_type=fiftyone.types.FiftyOneDataset, dynamic=True)`, then
`fiftyone.launch_app(dataset)`.

Example:
    genvlkt convert fiftyone hico --vocabulary minihoi --ann-file data/minihoi/annotations/test.json \
        --images data/minihoi/images/test --results X.results.json --out fiftyone
"""

import argparse
from pathlib import Path

from ...engine import command, in_range
from ...evaluation import load_detections, load_ground_truth
from ...evaluation.evaluate import diagnose_detections
from ...evaluation.reporting.fiftyone_dataset import write_fiftyone
from ...vocabulary import load_vocabulary
from ..detections import add_detections, add_vocabulary, check_vocabulary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    add_detections(parser)
    add_vocabulary(parser)
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument('--out', required=True, help='folder for samples.json and metadata.json')
    parser.add_argument(
        '--top-k',
        type=in_range(int, 1, 10**6),
        default=20,
        help='maximum number of interactions per image, highest score first (default: %(default)s)',
    )


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Writes as the command line says."""
    check_vocabulary(args)
    vocabulary = load_vocabulary(args.vocabulary or args.task)
    images = load_ground_truth(args.ann_file, vocabulary, args.coco_file, args.split_ids)
    detections = load_detections(args.results, images, vocabulary)
    diagnosis = diagnose_detections(detections, images, vocabulary)
    count = write_fiftyone(args.out, diagnosis, images, vocabulary, args.images, args.top_k)
    print(f'{count} images in {args.out}')
