"""Serves a model over HTTP: an image in, its interactions as JSON out.

Examples:
    genvlkt serve
    genvlkt serve --weights gen_vlkt_s_hico.onnx --port 9000
    GENVLKT_TOKEN=secret genvlkt serve --weights gen_vlkt_s_hico.pth --host 0.0.0.0

The server is for this machine alone unless --host says otherwise. It needs the extra: pip install 'genvlkt[serve]'
"""

import argparse
import os
from pathlib import Path

import torch
from mmengine.logging import MMLogger

from ..engine import command, in_range
from ..files import names_file
from ..serving import ServerLimits, import_server
from .model_options import add_model, load_model
from .server_options import add_host, add_limits

_TOKEN = 'GENVLKT_TOKEN'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    limits = ServerLimits()
    add_model(parser)
    parser.add_argument(
        '--threads', type=in_range(int, 1, 1024), help='threads of the model on a CPU (default: one for each core)'
    )
    add_host(parser, 'the server, without encryption')
    parser.add_argument('--port', type=in_range(int, 0, 65535), default=8000, help='port (default: %(default)s)')
    parser.add_argument(
        '--token-file',
        metavar='FILE',
        help=f'text file with a token that every request must bring (default: the environment variable {_TOKEN}, or none)',
    )
    add_limits(parser, limits)
    parser.add_argument(
        '--max-requests',
        type=in_range(int, 1, 100_000),
        default=limits.waiting,
        help='requests at the same time; further ones are refused with status 429 (default: %(default)s)',
    )
    parser.add_argument(
        '--timeout',
        type=in_range(float, 0.1, 3600),
        default=limits.seconds,
        metavar='SECONDS',
        help='time until an answer; then the request gets status 504 (default: %(default)g)',
    )
    parser.add_argument(
        '--batch-size',
        type=in_range(int, 1, 1024),
        default=limits.batch,
        help='largest batch of images from several requests (default: %(default)s)',
    )


@command(OSError, ValueError, ImportError)
def run(args: argparse.Namespace) -> None:
    """Serves the model as the command line says."""
    server = import_server()  # before the model is loaded
    token = _read_token(args.token_file)
    MMLogger.get_current_instance().setLevel('WARNING')  # phrases of users do not belong in a log
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    limits = ServerLimits(
        megabytes=args.max_megabytes,
        pixels=args.max_pixels,
        waiting=args.max_requests,
        seconds=args.timeout,
        batch=args.batch_size,
    )
    server.Server(load_model(args, show_progress=False), args.host, args.port, limits, token).run()


def _read_token(file: str | None) -> str | None:
    if file is None:
        return os.environ.get(_TOKEN)
    if not Path(file).is_file():
        raise FileNotFoundError(f"The token file '{file}' does not exist: check its path.")
    with names_file(file, 'write the token in one line'):
        return Path(file).read_text(encoding='utf-8').strip()
