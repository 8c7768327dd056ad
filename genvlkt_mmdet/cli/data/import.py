"""Converts the annotations of Label Studio, CVAT or COCO to the JSON that the datasets read.

Label Studio: export the project as JSON. CVAT: export 'CVAT for images 1.1'. For CVAT and COCO, a CSV file with the columns
image, human, verb, object names the interactions by the ids of the boxes. In CVAT, groups and an attribute `verbs` can do it.

Examples:
    genvlkt data import export.json --vocabulary kitchen/vocabulary.yaml --images kitchen/photos --out kitchen/all.json
    genvlkt data import boxes.json --pairs pairs.csv --vocabulary kitchen/vocabulary.yaml --out kitchen/all.json
"""

import argparse
from pathlib import Path

from ...datasets.checking import check_dataset
from ...datasets.formats import write_annotations
from ...datasets.own_data import import_annotations
from ...engine import command
from ...vocabulary import load_vocabulary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('annotations', type=Path, help='file of Label Studio (JSON), CVAT (XML) or COCO (JSON)')
    parser.add_argument('--vocabulary', required=True, help='vocabulary file of the annotations')
    parser.add_argument(
        '--images', type=Path, help='folder of the images, to find those that Label Studio names otherwise'
    )
    parser.add_argument('--pairs', type=Path, help='CSV file of the interactions, for CVAT and COCO')
    parser.add_argument('--out', type=Path, required=True, help='JSON file to write')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Converts, and prints what was found."""
    vocabulary = load_vocabulary(args.vocabulary)
    records, number_open = import_annotations(args.annotations, vocabulary, args.images, args.pairs)
    if not records:
        raise ValueError(f"'{args.annotations}' has no annotated image.")
    write_annotations(records, args.out)
    counts = check_dataset(records, vocabulary).counts
    print(f'{args.out}: {counts["images"]} images, {counts["boxes"]} boxes, {counts["triplets"]} interactions')
    if number_open:
        print(f'{number_open} images are not annotated yet and were left out.')
