"""Writes a trained model for ONNX Runtime, OpenVINO or PyTorch alone. `genvlkt infer --weights` runs the file.

Examples:
    genvlkt export gen_vlkt_s_hico gen_vlkt_s_hico.pth --format onnx --out gen_vlkt_s_hico.onnx
    genvlkt export gen_vlkt_s_hico gen_vlkt_s_hico.pth --format openvino --out gen_vlkt_s_hico.xml
    genvlkt infer photos/ --weights gen_vlkt_s_hico.onnx --vocabulary phrases.txt

It needs the extra: pip install 'genvlkt[export]'
"""

import argparse

from ..apis import export_model
from ..engine import command
from ..export import SUFFIXES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('config', help='config file or name of a shipped config')
    parser.add_argument('weights', help='checkpoint of a training')
    parser.add_argument('--format', choices=SUFFIXES, default='onnx', help='kind of file (default: %(default)s)')
    parser.add_argument('--out', required=True, help=f'file to write, with the suffix {", ".join(SUFFIXES.values())}')


@command(OSError, ValueError, ImportError)
def run(args: argparse.Namespace) -> None:
    """Exports as the command line says."""
    file = export_model(args.config, args.weights, args.out, args.format)
    size = sum(part.stat().st_size for part in {file, file.with_suffix('.bin')} if part.is_file())
    print(f'{file}: {size / 1e6:.1f} MB. Run it with: genvlkt infer SOURCE --weights {file}')
