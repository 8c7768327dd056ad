"""Trains the small model on MiniHOI, evaluates it and draws its predictions.

The last line printed is JSON: full, rare and non_rare mAP in [0, 1], minutes, and the files of the drawings.
"""

import thread_policy  # noqa: F401, I001  (first: OpenMP reads it when torch is loaded)

import argparse
import json

from genvlkt_mmdet.minihoi import run_demo
from genvlkt_mmdet.engine import command, in_range

from genvlkt_mmdet.apis import find_config


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Demo of GEN-VLKT on MiniHOI')
    parser.add_argument('--config', default=find_config('gen_vlkt_tiny_minihoi'), help='config of the training')
    parser.add_argument('--work-dir', default='work_dirs/demo', help='folder for logs, checkpoints and drawings')
    parser.add_argument('--seed', type=int, default=0, help='seed of the training')
    parser.add_argument('--resume', action='store_true', help='continue from the last checkpoint in the work folder')
    parser.add_argument('--images', type=in_range(int, 1, 1_000_000), default=8, help='number of test images to draw')
    return parser.parse_args()


@command()
def main() -> None:
    """Runs the demo and prints its figures."""
    args = parse_args()
    result = run_demo(args.config, args.work_dir, args.seed, args.resume, args.images)
    print(f'mAP on the MiniHOI test split, official HICO-DET protocol, after {result["minutes"]:.1f} minutes:')
    print(
        '  '.join(
            f'{name} {100 * result[key]:.2f}'
            for name, key in (('Full', 'full'), ('Rare', 'rare'), ('Non-rare', 'non_rare'))
        )
    )
    print(f'Ground truth beside prediction: {result["drawings"][-1]}')
    print(json.dumps(result))


if __name__ == '__main__':
    main()
