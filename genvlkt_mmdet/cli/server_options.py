"""The options of the verbs that serve users: where to listen, and limits."""

import argparse

from ..apis.user_requests import RequestLimits
from ..engine import in_range


def add_host(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds ``--host``. ``what``: what others can then use, and how, for the help."""
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen on (default: %(default)s, this machine alone). With 0.0.0.0, all who can reach this machine can '
        f'use {what}',
    )


def add_limits(parser: argparse.ArgumentParser, limits: RequestLimits) -> None:
    """Adds ``--max-megabytes`` and ``--max-pixels`` with their defaults."""
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
