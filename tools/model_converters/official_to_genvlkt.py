"""Converts a checkpoint from or to the format of the GEN-VLKT authors' repository.

Examples:
    python tools/model_converters/official_to_genvlkt.py gen_vlkt_s_hico_theirs.pth gen_vlkt_s_hico.pth
    python tools/model_converters/official_to_genvlkt.py gen_vlkt_s_hico.pth theirs.pth --reverse
"""

import argparse

from genvlkt_mmdet.apis import export_official_file, import_official_file
from genvlkt_mmdet.engine import command


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Convert a checkpoint of the GEN-VLKT authors' code")
    parser.add_argument('src', help='checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--reverse', action='store_true', help="write the authors' format from ours")
    return parser.parse_args()


@command(OSError, ValueError)
def main() -> None:
    """Converts as the command line says."""
    args = parse_args()
    if args.reverse:
        unknown = export_official_file(args.src, args.dst)
        done = f"The checkpoint for the authors' code is in '{args.dst}'."
    else:
        config, unknown = import_official_file(args.src, args.dst)
        done = f"This model is {config}.\nThe checkpoint is in '{args.dst}'. It loads with strict=True."
    if unknown:
        print(f'{len(unknown)} tensors have no place there and are left out:', *unknown, sep='\n  ')
    print(done)


if __name__ == '__main__':
    main()
