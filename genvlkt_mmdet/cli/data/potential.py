"""Finds the unannotated pairs that a zero-shot training may use: a detector finds persons and objects, CLIP names them.

The file is the one that `potential_pairs` of the training dataset names.

Example:
    genvlkt data potential gen_vlkt_s_hico_uo_potential --device cuda
"""

import argparse

from mmdet.registry import DATASETS

from ...apis.configs import config_file
from ...apis.potential_pairs import make_potential_pairs
from ...engine import add_cfg_options, command, load_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('config', type=config_file, help='config file, or name of a shipped config')
    parser.add_argument('--device', default='cpu', help='device of detector and CLIP (default: %(default)s)')
    add_cfg_options(parser)


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Makes the file."""
    cfg = load_config(args.config, args.cfg_options)
    dataset = DATASETS.build(dict(cfg.train_dataloader.dataset, lazy_init=True))
    if not dataset.potential_pairs:
        raise ValueError(f"'{args.config}' has no train_dataloader.dataset.potential_pairs.")
    print(f'{make_potential_pairs(dataset, args.device)} is written')
