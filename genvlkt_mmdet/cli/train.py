"""Trains a model from a config file.

Examples:
    genvlkt train gen_vlkt_tiny_minihoi
    genvlkt train configs/gen_vlkt_s_hico.py --resume --cfg-options model.bbox_head.num_queries=100
"""

import argparse

from ..apis.configs import config_file
from ..engine import add_runner_arguments, command, train_model, training_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('config', type=config_file, help='config file, or name of a shipped config')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints (default: work_dirs/<name of the config>)')
    parser.add_argument('--amp', action='store_true', help='train with automatic mixed precision')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate from the config's batch size to the real one",
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const=True,
        default=False,
        metavar='CHECKPOINT',
        help='continue from this checkpoint, or, without a value, from the latest one in the work folder',
    )
    add_runner_arguments(parser)


@command()
def run(args: argparse.Namespace) -> None:
    """Trains as the command line says."""
    train_model(
        training_config(
            args.config,
            work_dir=args.work_dir,
            cfg_options=args.cfg_options,
            amp=args.amp,
            auto_scale_lr=args.auto_scale_lr,
            resume=args.resume,
            launcher=args.launcher,
        ),
        verbose=args.verbose,
    )
