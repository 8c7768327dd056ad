"""Serves a page to try a model on: an image in, interactions, tables and attention out.

Examples:
    genvlkt web
    genvlkt web --weights gen_vlkt_s_hico.pth --port 8000
    genvlkt web --model configs/gen_vlkt_s_hico.py --weights gen_vlkt_s_hico.pth --host 0.0.0.0

The page is for this machine alone unless --host says otherwise. It needs the extra: pip install 'genvlkt[web]'
"""

import argparse

from ..apis import HOIInferencer
from ..engine import add_optimization_arguments, command, in_range
from ..web import Limits, serve_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    limits = Limits()
    parser.add_argument(
        '--model', help='config file or name of a shipped config (default: the config in the checkpoint)'
    )
    parser.add_argument(
        '--weights', help='checkpoint file (default, without --model: the shipped model for images of MiniHOI)'
    )
    parser.add_argument('--vocabulary', metavar='FILE', help='text file with the interactions to detect, as for infer')
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the best available)')
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen on (default: %(default)s, this machine alone). With 0.0.0.0, all who can reach this machine can '
        'use the page, without password and encryption',
    )
    parser.add_argument('--port', type=in_range(int, 1, 65535), help='port (default: the first free one from 7860)')
    parser.add_argument('--open', action='store_true', help='open the page in the browser')
    parser.add_argument(
        '--max-megabytes',
        type=in_range(int, 1, 10_000),
        default=limits.megabytes,
        help='largest file (default: %(default)s)',
    )
    parser.add_argument(
        '--max-pixels',
        type=in_range(int, 1, 1_000_000_000),
        default=limits.pixels,
        help='largest image, width times height (default: %(default)s)',
    )
    add_optimization_arguments(parser, dtype='auto')


@command(OSError, ValueError, ImportError)
def run(args: argparse.Namespace) -> None:
    """Serves the page as the command line says."""
    inferencer = HOIInferencer(
        args.model,
        args.weights,
        device=args.device,
        show_progress=False,
        vocabulary=args.vocabulary,
        optimize=args.optimize,
        dtype=args.dtype,
        compile=args.compile,
    )
    limits = Limits(megabytes=args.max_megabytes, pixels=args.max_pixels)
    serve_page(inferencer, args.host, args.port, limits, open_browser=args.open)
