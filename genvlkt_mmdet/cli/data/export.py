"""Prepares a project of Label Studio: its labelling configuration, and a task for every image, with predictions to correct.

Paste labels.xml into the labelling setup of the project (Code), and import tasks.json. Label Studio reads the images at the
address. For local files, start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=FOLDER. The address is relative to that folder.

Examples:
    genvlkt data export kitchen/photos --vocabulary kitchen/vocabulary.yaml --address '/data/local-files/?d=kitchen/photos/' \
        --out-dir kitchen/label_studio
    genvlkt data export kitchen/photos --predictions out/preds --vocabulary kitchen/vocabulary.yaml --out-dir kitchen/label_studio
"""

import argparse
import json
from pathlib import Path

from ...apis.sources import find_images
from ...datasets.formats import load_json
from ...datasets.formats.label_studio import label_studio_config, label_studio_tasks
from ...engine import command, in_range
from ...files import names_file, write_file
from ...vocabulary import load_vocabulary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('images', type=Path, help='folder of the images')
    parser.add_argument('--vocabulary', required=True, help='vocabulary file, for the labels')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for labels.xml and tasks.json')
    parser.add_argument('--predictions', type=Path, help='folder of JSON files, written by `genvlkt infer` (out/preds)')
    parser.add_argument('--model-version', default='genvlkt', help='name of the predictions (default: %(default)s)')
    parser.add_argument(
        '--min-confidence',
        type=in_range(float, 0, 1),
        default=0.4,
        help='leave out interactions with a lower confidence (default: %(default)s)',
    )
    parser.add_argument(
        '--address',
        default='/data/local-files/?d=photos/',
        help='where Label Studio finds the images; the file name is added (default: %(default)s)',
    )


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Writes the two files."""
    vocabulary = load_vocabulary(args.vocabulary)
    results = {Path(image).name: dict(image=str(image)) for image in find_images(args.images).items}
    number = 0
    for file in sorted(args.predictions.glob('*.json')) if args.predictions else ():
        result = load_json(file)
        with names_file(file, 'write it again with `genvlkt infer`'):
            name = Path(result['image']).name
            if name in results:
                results[name], number = result, number + 1
    if args.predictions and not number:
        raise ValueError(f"'{args.predictions}' has no prediction for an image in '{args.images}': check both folders.")
    tasks = label_studio_tasks(
        list(results.values()), vocabulary, args.address, args.model_version, args.min_confidence
    )
    write_file(args.out_dir / 'labels.xml', label_studio_config(vocabulary).encode())
    write_file(args.out_dir / 'tasks.json', json.dumps(tasks, indent=1).encode())
    print(f'{args.out_dir}: labels.xml, and tasks.json with {len(tasks)} images, {number} of them with predictions')
