"""Starts a project for one's own images: writes a vocabulary to fill in and a config for the training.

Examples:
    genvlkt data init kitchen --weights gen_vlkt_s_hico.pth
    genvlkt data init station --example     # with 40 rendered images and their annotations, to try all steps
"""

import argparse

from ...apis import find_config
from ...datasets.own_data import write_project
from ...engine import command
from ...minihoi import render_example


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument('folder', help='folder of the project')
    parser.add_argument(
        '--model', default='gen_vlkt_s_hico', help='shipped config to inherit from (default: %(default)s)'
    )
    parser.add_argument('--weights', help='checkpoint to start from (default: the start of that config)')
    parser.add_argument('--example', action='store_true', help='an example with 40 rendered images')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Writes the files."""
    if args.example:
        export = render_example(args.folder)
        print(f'{args.folder}: vocabulary, config, 40 images in photos/, and their annotations in {export.name}')
        return
    find_config(args.model)
    for path in write_project(args.folder, args.model, args.weights):
        print(path)
    print(f'Put your images into {args.folder}/photos, and your classes into vocabulary.yaml.')
