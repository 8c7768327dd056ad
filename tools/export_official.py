"""Writes detections in the format of the official programs: .mat files for HICO-DET, a pickle for V-COCO."""

import argparse

from genvlkt_mmdet.engine import command
from genvlkt_mmdet.evaluation import export_detections, load_detections, load_ground_truth
from genvlkt_mmdet.vocabulary import load_vocabulary


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('task', choices=('hico', 'vcoco'))
    parser.add_argument(
        '--ann-file', required=True, help='annotations of the split, in any format that the datasets read'
    )
    parser.add_argument('--results', required=True, help='results file (JSON) or an official format')
    parser.add_argument('--out', required=True, help='hico: folder for detections_XX.mat; vcoco: the .pkl file')
    parser.add_argument(
        '--coco-file', nargs='+', help="COCO instances, when --ann-file is vcoco_*.json of V-COCO's release"
    )
    parser.add_argument('--split-ids', help='text file with the image ids of the split, with --coco-file')
    return parser.parse_args()


@command(OSError, ValueError)
def main() -> None:
    """Entry point."""
    args = parse_args()
    vocabulary = load_vocabulary(args.task)
    images = load_ground_truth(args.ann_file, vocabulary, args.coco_file, args.split_ids)
    detections = load_detections(args.results, images, vocabulary)
    files = export_detections(args.out, detections, images, vocabulary)
    if detections.num_missing:
        print(f'{detections.num_missing} of {len(images)} images have no detections in {args.results}.')
    print(f'{len(files)} file(s) in {args.out}' if args.task == 'hico' else f'Written: {files[0]}')


if __name__ == '__main__':
    main()
