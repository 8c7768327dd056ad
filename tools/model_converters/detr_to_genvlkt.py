"""Converts a DETR checkpoint to initial weights of GEN-VLKT, for `load_from`.

Takes the COCO-trained DETR of facebookresearch (91 classes) and checkpoints of mmdet's own DETR. A config does the same by
itself through `model.pretrained_detr`.

Examples:
    python tools/model_converters/detr_to_genvlkt.py detr-r50-e632da11.pth start.pth --config configs/gen_vlkt_s_hico.py
    python tools/train.py configs/gen_vlkt_s_hico.py --cfg-options load_from=start.pth model.pretrained_detr=None
"""

import argparse
import sys

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import genvlkt_mmdet  # noqa: F401
from genvlkt_mmdet.converters import convert_detr, load_checkpoint, weights_of


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Convert a DETR checkpoint for GEN-VLKT')
    parser.add_argument('src', help='DETR checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--config', required=True, help='config of the GEN-VLKT model')
    return parser.parse_args()


def convert(src: str, dst: str, config: str) -> None:
    """Writes the checkpoint and says what became of every tensor."""
    from mmdet.registry import MODELS

    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(config).model)
    weights, report = convert_detr(weights_of(load_checkpoint(src)), model.state_dict())
    torch.save(dict(meta=dict(), state_dict=weights), dst)
    print(report.lists(), report, f"The result is in '{dst}'.", sep='\n')


def main() -> None:
    """Runs the tool; expected problems end it with one sentence."""
    args = parse_args()
    try:
        convert(args.src, args.dst, args.config)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
