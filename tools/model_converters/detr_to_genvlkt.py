"""Converts a DETR checkpoint to initial weights of GEN-VLKT, for `load_from`.

Takes the COCO-trained DETR of facebookresearch (91 classes) and checkpoints of mmdet's own DETR. A config does the same by
itself through `model.pretrained_detr`.

Examples:
    python tools/model_converters/detr_to_genvlkt.py detr-r50-e632da11.pth start.pth --config configs/gen_vlkt_s_hico.py
    python tools/train.py configs/gen_vlkt_s_hico.py --cfg-options load_from=start.pth model.pretrained_detr=None
"""

import argparse

from genvlkt_mmdet.apis import convert_detr_file
from genvlkt_mmdet.engine import command


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Convert a DETR checkpoint for GEN-VLKT')
    parser.add_argument('src', help='DETR checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--config', required=True, help='config of the GEN-VLKT model')
    return parser.parse_args()


@command(OSError, ValueError)
def main() -> None:
    """Converts as the command line says."""
    args = parse_args()
    transfer = convert_detr_file(args.src, args.dst, args.config)
    print(transfer.lists(), transfer, f"The result is in '{args.dst}'.", sep='\n')


if __name__ == '__main__':
    main()
