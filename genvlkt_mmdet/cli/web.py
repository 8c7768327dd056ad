"""Serves a page to try a model on: an image in, interactions, tables and attention out.

Examples:
    genvlkt web
    genvlkt web --weights gen_vlkt_s_hico.pth --port 8000
    genvlkt web --model configs/gen_vlkt_s_hico.py --weights gen_vlkt_s_hico.pth --host 0.0.0.0

The page is for this machine alone unless --host says otherwise. It needs the extra: pip install 'genvlkt[web]'
"""

import argparse

from ..engine import command, in_range
from ..web import Limits, serve_page
from ..web.page import import_gradio
from .model_options import add_model, load_model
from .server_options import add_host, add_limits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    limits = Limits()
    add_model(parser)
    add_host(parser, 'the page, without password and encryption')
    parser.add_argument('--port', type=in_range(int, 1, 65535), help='port (default: the first free one from 7860)')
    parser.add_argument('--open', action='store_true', help='open the page in the browser')
    add_limits(parser, limits)


@command(OSError, ValueError, ImportError)
def run(args: argparse.Namespace) -> None:
    """Serves the page as the command line says."""
    import_gradio()  # before the model is loaded
    inferencer = load_model(args, show_progress=False)
    limits = Limits(megabytes=args.max_megabytes, pixels=args.max_pixels)
    serve_page(inferencer, args.host, args.port, limits, open_browser=args.open)
