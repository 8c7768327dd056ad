"""Evaluates a checkpoint on the test set of a config file.

Example:
    python tools/test.py configs/gen_vlkt_s_hico.py work_dirs/gen_vlkt_s_hico/epoch_90.pth
"""

import thread_policy  # noqa: F401, I001  (first: OpenMP reads it when torch is loaded)
import genvlkt_mmdet  # noqa: F401  (before mmdet, which it makes importable with mmcv-lite)

import argparse

from mmdet.engine.hooks.utils import trigger_visualization_hook
from genvlkt_mmdet.engine import add_optimization_arguments, command, parse_runner_args, test_model, testing_config


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Evaluate a human-object interaction detector')
    parser.add_argument('config', help='config file')
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
    return parse_runner_args(parser)


@command()
def main() -> None:
    """Evaluates as the command line says."""
    args = parse_args()
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


if __name__ == '__main__':
    main()
