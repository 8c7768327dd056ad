"""Converts a checkpoint from or to the format of the authors' repository, GEN-VLKT's or HOICLIP's.

Examples:
    genvlkt convert official gen_vlkt_s_hico_theirs.pth gen_vlkt_s_hico.pth
    genvlkt convert official gen_vlkt_s_hico.pth theirs.pth --reverse
"""

import argparse

from ...apis import export_official_file, import_official_file
from ...engine import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('src', help='checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--reverse', action='store_true', help="write the authors' format from ours")


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Converts as the command line says."""
    if args.reverse:
        unknown = export_official_file(args.src, args.dst)
        done = f"The checkpoint for the authors' code is in '{args.dst}'."
    else:
        config, unknown = import_official_file(args.src, args.dst)
        done = f"This model is {config}.\nThe checkpoint is in '{args.dst}'. It loads with strict=True."
    if unknown:
        print(f'{len(unknown)} tensors have no place there and are left out:', *unknown, sep='\n  ')
    print(done)
