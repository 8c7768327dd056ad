"""The options that choose a model, for the verbs that run one."""

import argparse
from typing import Any

from ..apis import HOIInferencer
from ..engine import add_optimization_arguments


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds ``--model``, ``--weights``, ``--trust-config``, ``--vocabulary``, ``--device`` and the options of speed."""
    parser.add_argument(
        '--model', help='config file or name of a shipped config (default: the config in the checkpoint)'
    )
    parser.add_argument(
        '--weights',
        help='checkpoint file or exported model (default, without --model: the shipped model for images of MiniHOI)',
    )
    parser.add_argument(
        '--trust-config',
        action='store_true',
        help="without --model: run the checkpoint's config as Python and import the modules that it names, instead of reading it "
        'as data. The author of the checkpoint can then run any code on this machine: use it only for files you trust',
    )
    parser.add_argument(
        '--vocabulary',
        metavar='FILE',
        help='text file with the interactions to detect instead of those of the training, one phrase or `verb, object` per line',
    )
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the best available)')
    add_optimization_arguments(parser, dtype='auto')


def model_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of :class:`HOIInferencer` that these options describe."""
    if not (args.model or args.weights):
        print(
            'Using the shipped model, which knows the rendered images of MiniHOI only. For photographs, give --weights.'
        )
    return dict(
        model=args.model,
        weights=args.weights,
        device=args.device,
        vocabulary=args.vocabulary,
        trust_config=args.trust_config,
        optimize=args.optimize,
        dtype=args.dtype,
        compile=args.compile,
    )


def load_model(args: argparse.Namespace, **options: Any) -> HOIInferencer:
    """Makes the inferencer that these options describe.

    Args:
        args (argparse.Namespace): The arguments of :func:`add_model`.
        **options (Any): More arguments of :class:`HOIInferencer`.

    Returns:
        HOIInferencer: The inferencer.
    """
    return HOIInferencer(**model_arguments(args), **options)
