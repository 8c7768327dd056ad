"""Trains the tiny CLIP that ships with the package (``genvlkt://tiny_clip``) on MiniHOI captions.

Example:
    python tools/train_tiny_clip.py --out work_dirs/tiny_clip
"""

import process_policy  # noqa: F401, I001  (first: OpenMP reads it when torch is loaded)

import argparse
import json
import logging

from mmengine.logging import MMLogger

from genvlkt_mmdet.minihoi.tiny_clip import train_tiny_clip


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Train the tiny CLIP of MiniHOI')
    parser.add_argument('--out', required=True, help='folder to write; afterwards a model_name of the clip setting')
    parser.add_argument('--num-images', type=int, default=12000, help='number of images to render and train on')
    parser.add_argument('--steps', type=int, default=1400, help='optimiser steps')
    parser.add_argument('--batch-size', type=int, default=128, help='number of images per step')
    parser.add_argument('--lr', type=float, default=2e-3, help='highest learning rate')
    parser.add_argument('--seed', type=int, default=0, help='seed of images, weights and order')
    parser.add_argument(
        '--long-tail', action='store_true', help='HOI classes as frequent as in the training split, not all equally'
    )
    parser.add_argument('--vision', choices=('resnet', 'vit'), default='resnet', help='image encoder')
    parser.add_argument('--teacher', help='trained tiny CLIP to take the text encoder and the image embeddings from')
    parser.add_argument('--max-shift', type=int, default=0, help='largest random shift of an image in pixels')
    parser.add_argument('--float8', action='store_true', help='store matrices in 8 bits')
    return parser.parse_args()


def main() -> None:
    """Trains, and prints what was measured as one line of JSON."""
    args = parse_args()
    MMLogger.get_instance('tiny_clip', log_level=logging.INFO)
    measured = train_tiny_clip(
        args.out,
        args.num_images,
        args.steps,
        args.batch_size,
        args.lr,
        args.seed,
        args.long_tail,
        vision=args.vision,
        teacher=args.teacher,
        max_shift=args.max_shift,
        float8=args.float8,
    )
    print(json.dumps({key: round(value, 4) for key, value in measured.items()}))


if __name__ == '__main__':
    main()
