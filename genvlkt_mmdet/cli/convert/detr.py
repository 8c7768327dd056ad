"""Converts a DETR checkpoint to initial weights of GEN-VLKT, for `load_from`.

Takes the COCO-trained DETR of facebookresearch (91 classes), checkpoints of mmdet's own DETR, and DP-HOI's pre-trained model.
A config does the same by itself through `model.pretrained_detr`.

Examples:
    genvlkt convert detr detr-r50-e632da11.pth start.pth --config configs/gen_vlkt_s_hico.py
    genvlkt convert detr dphoi_res50_3layers.pth start.pth --config configs/gen_vlkt_s_vcoco.py
    genvlkt train configs/gen_vlkt_s_hico.py --cfg-options load_from=start.pth model.pretrained_detr=None
"""

import argparse

from ...apis import convert_detr_file
from ...engine import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('src', help='DETR checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--config', required=True, help='config of the GEN-VLKT model')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Converts as the command line says."""
    transfer = convert_detr_file(args.src, args.dst, args.config)
    print(transfer.lists(), transfer, f"The result is in '{args.dst}'.", sep='\n')
