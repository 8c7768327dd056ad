"""The verbs of the command ``genvlkt``, one module each.

A verb is a module with two functions: ``add_arguments(parser)`` adds its options, and ``run(args)`` calls the package. The
docstring of the module is the verb's help: one paragraph, then examples. The list of the verbs is in ``genvlkt_start.py``, which
can show it without an import of the package.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module

from ..engine import command


def verb_parser(verb: str, prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of a verb. The arguments that it returns have the verb's function as ``run``.

    Args:
        verb (str): Its words, such as ``'infer'`` or ``'data check'``.
        prog (str, optional): Name of the program in the help. None: that of the process.

    Returns:
        argparse.ArgumentParser: The parser.
    """
    module = import_module(f'.{verb.replace(" ", ".")}', __package__)
    description, _, examples = (module.__doc__ or '').partition('\n\n')
    parser = argparse.ArgumentParser(
        prog=prog, description=description, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)
    return parser


@command()  # from here, because the command line is read before the verb runs
def run_verb(verb: str, arguments: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Parses the command line of a verb and runs it.

    Args:
        verb (str): As in :func:`verb_parser`.
        arguments (Sequence[str], optional): The command line. None: that of the process.
        prog (str, optional): As in :func:`verb_parser`.
    """
    args = verb_parser(verb, prog).parse_args(arguments)
    args.run(args)


__all__ = ['run_verb', 'verb_parser']
