"""Counts FLOPs and parameters of a model, part by part.

Example:
    genvlkt analyze flops configs/gen_vlkt_s_hico.py --shape 800 1066
"""

import argparse

from ...engine import add_cfg_options, build_model, command, in_range, load_config
from ...models.complexity import complexity_table, model_complexity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--shape',
        type=in_range(int, 1, 10**5),
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        default=[800, 1066],
        help='size of the network input in pixels (default: 800 1066)',
    )
    add_cfg_options(parser)


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Counts as the command line says."""
    height, width = args.shape
    model = build_model(load_config(args.config, args.cfg_options))
    print(f'{args.config}, one image of {height} x {width} pixels (a multiply-add is two FLOPs):')
    print(complexity_table(model_complexity(model, (height, width))))
