"""Draws the network inputs: the items of a dataset after the pipeline of a config.

Example:
    python tools/analysis_tools/browse_dataset.py configs/gen_vlkt_tiny_minihoi.py --out-dir out --num 20
"""

import argparse

import numpy as np
import torch
from mmengine.config import DictAction

from genvlkt_mmdet.engine import command, in_range, load_config
from genvlkt_mmdet.visualization.browsing import browse_dataset


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Draw the items of a dataset')
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train', help='which dataloader')
    parser.add_argument('--out-dir', default='browse', help='folder for the drawings (default: %(default)s)')
    parser.add_argument(
        '--num', type=in_range(int, 0, 10**9), default=20, help='number of items; 0: all (default: %(default)s)'
    )
    parser.add_argument(
        '--seed', type=in_range(int, 0, 2**32 - 1), default=0, help='seed of the augmentation (default: %(default)s)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override settings of the config'
    )
    return parser.parse_args()


@command(OSError, ValueError)
def main() -> None:
    """Draws as the command line says."""
    args = parse_args()
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    cfg = load_config(args.config, args.cfg_options)
    count = sum(1 for _ in browse_dataset(cfg, args.out_dir, args.split, args.num or None))
    print(f'{count} images in {args.out_dir}')


if __name__ == '__main__':
    main()
