"""Writes a trained model for ONNX Runtime, OpenVINO or PyTorch alone. `genvlkt infer --weights` runs the file.

Examples:
    genvlkt export gen_vlkt_s_hico gen_vlkt_s_hico.pth --format onnx --out gen_vlkt_s_hico.onnx
    genvlkt export gen_vlkt_s_hico gen_vlkt_s_hico.pth --format openvino --out gen_vlkt_s_hico.xml
    genvlkt export gen_vlkt_s_hico gen_vlkt_s_hico.pth --format onnx --out gen_vlkt_s_hico.onnx --check photos/
    genvlkt export gen_vlkt_s_hico gen_vlkt_s_hico.pth --format openvino --int8 --calibrate photos/ --out int8.xml
    genvlkt infer photos/ --weights gen_vlkt_s_hico.onnx --vocabulary phrases.txt

It needs the extra: pip install 'genvlkt[export]', and for --int8 'genvlkt[export,quantize]'
"""

import argparse
from pathlib import Path

from ..apis import LossError, check_export, export_model, quantize_model
from ..apis.export_check import comparison_table
from ..engine import command
from ..export import PARTS, SUFFIXES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('config', help='config file or name of a shipped config')
    parser.add_argument('weights', help='checkpoint of a training')
    parser.add_argument('--format', choices=SUFFIXES, default='onnx', help='kind of file (default: %(default)s)')
    parser.add_argument('--out', required=True, help=f'file to write, with the suffix {", ".join(SUFFIXES.values())}')
    parser.add_argument(
        '--check',
        nargs='+',
        metavar='IMAGES',
        help='compare the exported model with the checkpoint on these images: files, or a folder or pattern',
    )
    parser.add_argument(
        '--vocabulary', metavar='FILE', help='with --check: text file of phrases, which are compared as well'
    )
    group = parser.add_argument_group('int8, for OpenVINO')
    group.add_argument(
        '--int8',
        nargs='?',
        choices=PARTS,
        const='encoder',
        metavar='PART',
        help='compute backbone and encoder in int8; PART: encoder (default), backbone, or all, decoders and heads too',
    )
    group.add_argument(
        '--calibrate',
        nargs='+',
        metavar='IMAGES',
        help='images such as the model will see: files, a folder or a pattern',
    )
    group.add_argument(
        '--ann-file',
        help='annotations to measure mAP on (default: the validation set of the config, if its files are there; without '
        'annotations, agreement with the float model)',
    )
    group.add_argument('--images', metavar='FOLDER', default='', help='folder of the images of --ann-file')
    group.add_argument(
        '--allow-loss',
        type=float,
        default=1.0,
        metavar='POINTS',
        help='write the model if it loses no more points of mAP, or of agreement (default: %(default)g)',
    )
    group.add_argument(
        '--max-images', type=int, default=1000, help='maximum number of images to measure (default: %(default)s)'
    )


@command(OSError, ValueError, ImportError)
def run(args: argparse.Namespace) -> None:
    """Exports as the command line says."""
    file = Path(args.out)
    if args.int8:
        _export_int8(args, file)
    elif args.calibrate or args.ann_file:
        raise ValueError('--calibrate and --ann-file go with --int8.')
    else:
        export_model(args.config, args.weights, file, args.format)
    size = sum(part.stat().st_size for part in {file, file.with_suffix('.bin')} if part.is_file())
    print(f'{file}: {size / 1e6:.1f} MB. Run it with: genvlkt infer SOURCE --weights {file}')
    if args.check:
        names = {'classes of the training': None} | ({args.vocabulary: args.vocabulary} if args.vocabulary else {})
        found = check_export(args.config, args.weights, file, _source(args.check), list(names.values()))
        print(comparison_table(zip(names, found, strict=True)))
        if not all(own.equal for own in found):
            raise ValueError(
                f"'{file}' does not give the results of '{args.weights}'. The table shows by how much it differs."
            )


def _export_int8(args: argparse.Namespace, file: Path) -> None:
    if args.format != 'openvino' or not args.calibrate or args.check:
        raise ValueError('--int8 goes with --format openvino and --calibrate IMAGES, and without --check.')
    try:
        report = quantize_model(
            args.config,
            args.weights,
            file,
            _source(args.calibrate),
            part=args.int8,
            ann_file=args.ann_file,
            image_folder=args.images,
            allow_loss=args.allow_loss,
            max_images=args.max_images,
            show_progress=True,
        )
    except LossError as error:
        print(error.report.table())
        raise
    print(report.table())


def _source(given: list[str]) -> str | list[str]:
    """A single name may be a folder or a pattern."""
    return given[0] if len(given) == 1 else given
