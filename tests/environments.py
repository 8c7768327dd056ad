"""Runs the fast tests in one environment after another: every supported Python, the lowest and the newest versions, the forks.

``make test-all`` calls this. uv makes an environment in ``build/environments``, and it is removed after its run: each takes
about 6 GB.
"""

import argparse
import configparser
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
FOLDER = REPO / 'build' / 'environments'


@dataclass(frozen=True)
class Environment:
    """One row of the matrix.

    Args:
        python (str): Version of Python, e.g. ``'3.11'``.
        installs (tuple[str, ...]): Arguments of ``uv pip install``, one call each.
        tests (tuple[str, ...]): Further arguments for pytest.
    """

    python: str
    installs: tuple[str, ...]
    tests: tuple[str, ...] = ()


def requirements(*extras: str) -> str:
    """What setup.cfg requires besides the two packages that the forks replace, and with these extras."""
    config = configparser.ConfigParser()
    config.read(REPO / 'setup.cfg')
    lists = [config['options']['install_requires'], *(config['options.extras_require'][extra] for extra in extras)]
    lines = [line for text in lists for line in text.split('\n') if line and not line.startswith('#')]
    return ' '.join(line for line in lines if not line.startswith(('mmdet', 'mmengine')))


NEWEST = ('-e .[lite,video,mim,dev]',)
ENVIRONMENTS = {
    # Without the extra `video`: its libraries want numpy 2, for which the lowest versions of others were not built.
    'lowest-3.11': Environment('3.11', ('--resolution lowest-direct -e .[lite,mim,dev]',)),
    'newest-3.13': Environment('3.13', NEWEST),
    'newest-3.12': Environment('3.12', NEWEST),
    'newest-3.10': Environment('3.10', NEWEST),
    # The page and the server. Gradio wants an older Pillow than the pins. The browser is the Chromium of the system.
    'web-3.11': Environment(
        '3.11',
        ('-e .[lite,video,web,serve,dev] playwright>=1.50',),
        ('tests/test_web', 'tests/test_serving', 'tests/test_apis'),
    ),
    'scale-3.11': Environment('3.11', ('-e .[lite,video,scale,dev] moto[server]>=5',), ('tests/test_scale',)),
    # The steps of docs/install.md. `pip check` misses mmdet and mmengine: it does not know that a fork stands for the original.
    'forks-3.11': Environment(
        '3.11',
        (
            'onedl-mmengine==0.10.12 onedl-mmdetection==3.5.1',
            'onedl-mmcv==2.3.6',  # built in isolation from torch, it leaves the operators out
            requirements('dev', 'video'),
            '--no-deps -e .',
        ),
        ('--deselect=tests/test_packaging/test_environment.py::test_pip_check_is_clean',),
    ),
}


def find_python(version: str) -> str | None:
    """Path of an interpreter of this version, on the path or made by pyenv; None where there is none."""
    pyenv = Path(os.environ.get('PYENV_ROOT', Path.home() / '.pyenv'), 'versions')
    made = sorted(pyenv.glob(f'{version}.*/bin/python'), reverse=True)
    for candidate in (f'python{version}', *map(str, made)):
        try:  # a shim of pyenv exists for every version, but not each of them runs
            ran = subprocess.run(
                [candidate, '-c', 'import sys; print(sys.executable, "%d.%d" % sys.version_info[:2])'],
                capture_output=True,
                text=True,
            )
        except OSError:
            continue
        if ran.returncode == 0 and ran.stdout.split()[-1] == version:
            return ran.stdout.split()[0]
    return None


def run(name: str, uv: str, tests: list[str], keep: bool = False) -> str:
    """Makes an environment, runs the fast tests in it, and removes it.

    Args:
        name (str): Key of :data:`ENVIRONMENTS`.
        uv (str): Path of uv.
        tests (list[str]): Further arguments for pytest.
        keep (bool): Whether the environment stays.

    Returns:
        str: ``'passed'``, ``'failed'``, ``'not installed'`` or ``'skipped: ...'`` when the interpreter is absent.
    """
    environment, folder = ENVIRONMENTS[name], FOLDER / name
    interpreter = find_python(environment.python)
    if interpreter is None:
        return f'skipped: no Python {environment.python} is installed'
    python = folder / 'bin' / 'python'
    env = dict(os.environ, OMP_NUM_THREADS='1')
    try:
        subprocess.run(
            [uv, 'venv', '--quiet', '--clear', '--seed', '--python', interpreter, folder], check=True, env=env
        )
        for arguments in environment.installs:
            command = [uv, 'pip', 'install', '--quiet', '--python', python, *arguments.split()]
            subprocess.run(command, check=True, cwd=REPO, env=env)
        fast = [python, '-m', 'pytest', '-q', '-m', 'not slow', '-p', 'no:cacheprovider', '-W', 'ignore']
        done = subprocess.run([*fast, *environment.tests, *tests], cwd=REPO, env=env)
    except subprocess.CalledProcessError:
        return 'not installed'
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return 'failed' if done.returncode else 'passed'


def main() -> None:
    """Runs the environments that the command line names, or all."""
    parser = argparse.ArgumentParser(description='Run the fast tests in all supported environments.')
    parser.add_argument('names', nargs='*', metavar='name', help=f'any of {", ".join(ENVIRONMENTS)}; default: all')
    parser.add_argument('--uv', default='uv', help='path of uv')
    parser.add_argument('--keep', action='store_true', help='keep the environments')
    parser.add_argument(
        '--pytest', default='', metavar='ARGUMENTS', help="further arguments for pytest, e.g. '-k metric'"
    )
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(ENVIRONMENTS))
    if unknown:
        parser.error(f'there is no environment {unknown[0]!r}; there are {", ".join(ENVIRONMENTS)}')
    results = {}
    for name in args.names or ENVIRONMENTS:
        print(f'--- {name}', flush=True)
        start = time.monotonic()
        results[name] = run(name, args.uv, shlex.split(args.pytest), args.keep)
        print(f'--- {name}: {results[name]} ({(time.monotonic() - start) / 60:.1f} minutes)', flush=True)
    print('\n'.join(f'{name:12} {result}' for name, result in results.items()))
    sys.exit(any(result in ('failed', 'not installed') for result in results.values()))


if __name__ == '__main__':
    main()
