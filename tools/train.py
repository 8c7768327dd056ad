"""Trains a model from a config file.

Examples:
    python tools/train.py configs/gen_vlkt_s_hico.py
    python tools/train.py configs/gen_vlkt_s_hico.py --resume --cfg-options model.bbox_head.num_queries=100
"""

import thread_policy  # noqa: F401, I001  (first: OpenMP reads it when torch is loaded)

import argparse
from genvlkt_mmdet.engine import command, parse_runner_args, train_model, training_config


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Train a human-object interaction detector')
    parser.add_argument('config', help='config file')
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
    return parse_runner_args(parser)


@command()
def main() -> None:
    """Trains as the command line says."""
    args = parse_args()
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


if __name__ == '__main__':
    main()
