"""Draws the network inputs: the items of a dataset after the pipeline of a config.

Example:
    genvlkt data browse configs/gen_vlkt_tiny_minihoi.py --out-dir out --num 20
"""

import argparse

import numpy as np
import torch

from ...apis.configs import config_file
from ...engine import add_cfg_options, command, in_range, load_config
from ...visualization.browsing import browse_dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('config', type=config_file, help='config file, or name of a shipped config')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train', help='which dataloader')
    parser.add_argument('--out-dir', default='browse', help='folder for the drawings (default: %(default)s)')
    parser.add_argument(
        '--num', type=in_range(int, 0, 10**9), default=20, help='number of items; 0: all (default: %(default)s)'
    )
    parser.add_argument(
        '--seed', type=in_range(int, 0, 2**32 - 1), default=0, help='seed of the augmentation (default: %(default)s)'
    )
    add_cfg_options(parser)


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Draws as the command line says."""
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    cfg = load_config(args.config, args.cfg_options)
    count = sum(1 for _ in browse_dataset(cfg, args.out_dir, args.split, args.num or None))
    print(f'{count} images in {args.out_dir}')
