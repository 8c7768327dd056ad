"""Converts a checkpoint from or to the format of the GEN-VLKT authors' repository.

Examples:
    python tools/model_converters/official_to_genvlkt.py gen_vlkt_s_hico_theirs.pth gen_vlkt_s_hico.pth
    python tools/model_converters/official_to_genvlkt.py gen_vlkt_s_hico.pth theirs.pth --reverse
"""

import argparse
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import genvlkt_mmdet  # noqa: F401
from genvlkt_mmdet.converters import genvlkt_to_official, load_checkpoint, load_strictly, official_to_genvlkt

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
    from mmdet.registry import MODELS

    converted, config, unknown = official_to_genvlkt(load_checkpoint(src))
    cfg = Config.fromfile(CONFIGS / config.config)
    cfg.merge_from_dict(config.options)
    init_default_scope('mmdet')
    load_strictly(MODELS.build(cfg.model), converted['state_dict'])
    torch.save(converted, dst)
    print(f'This model is {config}.')
    print_unknown(unknown)
    print(f"{len(converted['state_dict'])} tensors are in '{dst}', and they load with strict=True.")


def reverse(src: str, dst: str) -> None:
    """Writes the authors' checkpoint from ours."""
    official, unknown = genvlkt_to_official(load_checkpoint(src))
    torch.save(official, dst)
    print_unknown(unknown)
    print(f"{len(official.get('model', official))} tensors are in '{dst}', under the authors' names.")


def print_unknown(names: tuple[str, ...]) -> None:
    """Lists the tensors that are left out."""
    if names:
        print(f'{len(names)} tensors have no place there and are left out:', *names, sep='\n  ')


def main() -> None:
    """Runs the tool; expected problems end it with one sentence."""
    args = parse_args()
    try:
        (reverse if args.reverse else forward)(args.src, args.dst)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
