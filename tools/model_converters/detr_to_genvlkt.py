"""Starts GEN-VLKT from a DETR: writes the part of a model that a DETR checkpoint fills, for `load_from`.

Takes the COCO-trained DETR of facebookresearch (91 classes) and checkpoints of mmdet's own DETR. A config does the same by
itself through `model.pretrained_detr`.

Examples:
    python tools/model_converters/detr_to_genvlkt.py detr-r50-e632da11.pth start.pth --config configs/gen_vlkt_s_hico.py
    python tools/train.py configs/gen_vlkt_s_hico.py --cfg-options load_from=start.pth model.pretrained_detr=None
"""

import argparse

import genvlkt_mmdet  # noqa: F401
from genvlkt_mmdet.converters import convert_detr, load_checkpoint, save_checkpoint, weights_of
from genvlkt_mmdet.engine import build_model, command, load_config
from genvlkt_mmdet.files import names_file


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Convert a DETR checkpoint for GEN-VLKT')
    parser.add_argument('src', help='DETR checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--config', required=True, help='config of the GEN-VLKT model')
    return parser.parse_args()


def convert(src: str, dst: str, config: str) -> None:
    """Writes the checkpoint and says what became of every tensor."""
    cfg = load_config(config)
    with names_file(src, 'give a checkpoint of a DETR'):
        detr = weights_of(load_checkpoint(src))
    state = build_model(cfg).state_dict()
    with names_file(src, 'give a checkpoint of a DETR that fits the config'):
        weights, report = convert_detr(detr, state)
    save_checkpoint(dst, dict(meta=dict(), state_dict=weights))
    print(report.lists(), report, f"The result is in '{dst}'.", sep='\n')


@command(OSError, ValueError)
def main() -> None:
    """Converts as the command line says."""
    args = parse_args()
    convert(args.src, args.dst, args.config)


if __name__ == '__main__':
    main()
