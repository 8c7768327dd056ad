"""Evaluates a checkpoint on the test set of a config file.

Examples:
    genvlkt test configs/gen_vlkt_s_hico.py work_dirs/gen_vlkt_s_hico/epoch_90.pth
    genvlkt test configs/gen_vlkt_s_hico.py work_dirs/gen_vlkt_s_hico/epoch_90.pth --boxes --tta
"""

import argparse

from mmdet.engine.hooks.utils import trigger_visualization_hook

from ..apis.configs import config_file
from ..engine import add_optimization_arguments, add_runner_arguments, command, test_model, testing_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('config', type=config_file, help='config file, or name of a shipped config')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder for logs and metrics (default: work_dirs/<name of the config>)')
    parser.add_argument('--out', help='dump the predictions to this pickle file')
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    parser.add_argument('--show-dir', help='draw the predictions into this folder, below the work folder')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds that --show shows each image')
    parser.add_argument('--boxes', action='store_true', help='also evaluate the boxes of persons and objects alone')
    parser.add_argument(
        '--tta', action='store_true', help="test-time augmentation: the views of the config's tta_pipeline"
    )
    add_optimization_arguments(parser, dtype='float32')
    add_runner_arguments(parser)


@command()
def run(args: argparse.Namespace) -> None:
    """Evaluates as the command line says."""
    cfg = testing_config(
        args.config,
        args.checkpoint,
        work_dir=args.work_dir,
        cfg_options=args.cfg_options,
        launcher=args.launcher,
    )
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    test_model(
        cfg,
        out=args.out,
        verbose=args.verbose,
        optimize=args.optimize,
        dtype=args.dtype,
        compile=args.compile,
        tta=args.tta,
        boxes=args.boxes,
    )
