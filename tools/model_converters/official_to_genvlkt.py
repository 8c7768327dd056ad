"""Converts a checkpoint of the GEN-VLKT authors' repository, or writes one for it.

Examples:
    python tools/model_converters/official_to_genvlkt.py gen_vlkt_s_hico_theirs.pth gen_vlkt_s_hico.pth
    python tools/model_converters/official_to_genvlkt.py gen_vlkt_s_hico.pth theirs.pth --reverse
"""

import argparse
from pathlib import Path

import genvlkt_mmdet  # noqa: F401
from genvlkt_mmdet.converters import (
    genvlkt_to_official,
    load_checkpoint,
    load_strictly,
    official_to_genvlkt,
    save_checkpoint,
)
from genvlkt_mmdet.engine import build_model, command, load_config
from genvlkt_mmdet.files import names_file

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Convert a checkpoint of the GEN-VLKT authors' code")
    parser.add_argument('src', help='checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--reverse', action='store_true', help="write the authors' format from ours")
    return parser.parse_args()


def forward(src: str, dst: str) -> None:
    """Writes our checkpoint from the authors'."""
    with names_file(src, "give a checkpoint of the authors' code"):
        converted, config, unknown = official_to_genvlkt(load_checkpoint(src))
    load_strictly(build_model(load_config(CONFIGS / config.config, config.options)), converted['state_dict'])
    save_checkpoint(dst, converted)
    print(f'This model is {config}.')
    print_unknown(unknown)
    print(f"{len(converted['state_dict'])} tensors are in '{dst}', and they load with strict=True.")


def reverse(src: str, dst: str) -> None:
    """Writes the authors' checkpoint from ours."""
    with names_file(src, 'give a checkpoint of this package'):
        official, unknown = genvlkt_to_official(load_checkpoint(src))
    save_checkpoint(dst, official)
    print_unknown(unknown)
    print(f"{len(official.get('model', official))} tensors are in '{dst}', under the authors' names.")


def print_unknown(names: tuple[str, ...]) -> None:
    """Lists the tensors that are left out."""
    if names:
        print(f'{len(names)} tensors have no place there and are left out:', *names, sep='\n  ')


@command(OSError, ValueError)
def main() -> None:
    """Converts as the command line says."""
    args = parse_args()
    (reverse if args.reverse else forward)(args.src, args.dst)


if __name__ == '__main__':
    main()
