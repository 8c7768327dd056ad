"""Starts the verbs of the command ``genvlkt`` and their twins in ``tools/``.

It stands beside the package because any import from ``genvlkt_mmdet`` loads torch, which takes seconds. `genvlkt --help` does not
need it, and the settings of OpenMP must come first. (mim takes the first top-level name of a distribution for its package, so the
name of this module comes after ``genvlkt_mmdet`` in the alphabet.)
"""

import argparse
import ctypes
import difflib
import os
import runpy
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

# Every verb with its line in the help. The verb 'data check' is the module genvlkt_mmdet/cli/data/check.py. A hyphen in a verb
# is an underscore in the name of its module.
VERBS = {
    'demo': 'train and evaluate the small model on MiniHOI, draw its predictions',
    'infer': 'detect interactions in images and videos',
    'web': 'serve a page to try a model on',
    'serve': 'serve a model over HTTP: images in, JSON out',
    'train': 'train a model from a config file',
    'test': 'evaluate a checkpoint on the test set of a config file',
    'export': 'write a model as ONNX, OpenVINO or pt2 file, for deployment',
    'eval': 'evaluate a results file, with reports per class',
    'analyze': 'FLOPs and robustness of a model',
    'analyze flops': 'count FLOPs and parameters of the parts of a model',
    'analyze robustness': 'evaluate a checkpoint on corrupted images',
    'data': "one's own data from start to end; check and render datasets",
    'data init': "start a project for one's own images",
    'data export': 'a project for Label Studio, with predictions to correct',
    'data import': 'annotations of Label Studio, CVAT or COCO to the JSON that the datasets read',
    'data split': 'split annotations into train, val and test, so that rare classes reach all',
    'data check': 'check the annotations and images of a dataset',
    'data browse': 'draw the network inputs that a config makes of a dataset',
    'data render': 'render the MiniHOI benchmark',
    'data potential': 'find the unannotated pairs that a zero-shot training may use',
    'data download': 'download HICO-DET or V-COCO, or say where to get it, and verify the files',
    'data verb-embeddings': "rows that start HOICLIP's verb classifier, from CLIP embeddings of crops",
    'plot': 'draw losses and mAP of trainings',
    'convert': 'convert annotations, checkpoints and results',
    'convert hico': "HICO-DET's release to the annotations that the configs read",
    'convert vcoco': "V-COCO's release to the annotations that the configs read",
    'convert detr': 'a checkpoint of DETR to initial weights',
    'convert official': "a checkpoint from or to the format of the authors' code",
    'convert verb-embeddings': "verb rows from or to the format of HOICLIP's authors",
    'convert publish': 'a checkpoint of a training to its weights, in half precision',
    'convert results': 'a results file to the formats of the official evaluation programs',
    'convert fiftyone': 'a results file to a dataset of FiftyOne, with the kind of every error',
}
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_EXAMPLES = """example: genvlkt infer photos/ --out-dir out
`genvlkt VERB --help` shows the options of a verb and more examples."""


def main() -> None:
    """Runs the verb that the command line names."""
    verb, arguments = find_verb(sys.argv[1:])
    start(verb, arguments, f'genvlkt {verb}')


def find_verb(words: Sequence[str]) -> tuple[str, list[str]]:
    """Splits a command line into the verb and its own arguments. Help, the version or an unknown verb end the program."""
    verb, rest = '', list(words)
    while not verb or any(name.startswith(f'{verb} ') for name in VERBS):
        parser, children = _parser(verb)
        if not rest or rest[0].startswith('-'):
            parser.parse_args(rest[:1] or ['--help'])  # ends the program
        word = rest.pop(0)
        if word not in children:
            near = difflib.get_close_matches(word, children, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f'it has {", ".join(children)}.'
            parser.exit(2, f"error: {parser.prog} has no verb '{word}': {hint}\n")
        verb = f'{verb} {word}'.strip()
    return verb, rest


def start(verb: str, arguments: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Runs a verb.

    Args:
        verb (str): Its words, such as ``'infer'`` or ``'data check'``.
        arguments (Sequence[str], optional): Its own command line. None: that of the process.
        prog (str, optional): Name of the program in its help. None: that of the process.
    """
    set_process_policy()
    import_module('genvlkt_mmdet.cli').run_verb(verb, arguments, prog)


def set_process_policy() -> None:
    """Sets how OpenMP threads wait and what happens to freed memory. The package itself changes neither.

    Waiting threads sleep after a short spin, unless OMP_WAIT_POLICY is set. On a CPU that other processes also use, spinning
    threads take cores from those that work, and a training step becomes several times slower. But a step of a small model has
    thousands of parallel regions, and waking a thread for each of them costs a quarter of the step. A spin of 20,000 rounds
    bridges most of them. The OpenMP runtime reads the variables when torch loads it.

    The process keeps up to half a gigabyte of freed memory. The C library would return a large feature map to the system, which
    fills the memory with zeros before it gives it out again: that takes as long as a small convolution.
    """
    if 'OMP_WAIT_POLICY' not in os.environ:
        os.environ['OMP_WAIT_POLICY'] = 'PASSIVE'
        os.environ.setdefault('GOMP_SPINCOUNT', '20000')
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None) if sys.platform == 'linux' else None
    if mallopt is not None:  # only glibc has it
        mallopt(_M_MMAP_THRESHOLD, 1 << 28)
        mallopt(_M_TRIM_THRESHOLD, 1 << 29)


def _parser(verb: str) -> tuple[argparse.ArgumentParser, list[str]]:
    """The parser of a group of verbs, which only shows their help, and the next words of these verbs."""
    prog, prefix = f'genvlkt {verb}'.strip(), f'{verb} '.lstrip()
    children = [name.removeprefix(prefix) for name in VERBS if name.startswith(prefix)]
    children = [name for name in children if ' ' not in name]
    width = max(11, *(len(name) + 1 for name in children))
    title = VERBS[verb].capitalize() if verb else 'GEN-VLKT, the human-object interaction detector, on the command line'
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f'{prog} VERB ...',
        description='\n'.join(
            [f'{title}.\n\nverbs:', *(f'  {name:<{width}}{VERBS[prefix + name]}' for name in children)]
        ),
        epilog=f'`{prog} VERB --help` shows the options of a verb and examples.' if verb else _EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if not verb:
        version = runpy.run_path(str(Path(__file__).with_name('genvlkt_mmdet') / 'version.py'))['__version__']
        parser.add_argument('--version', action='version', version=f'genvlkt {version}')
    return parser, children


if __name__ == '__main__':
    main()
