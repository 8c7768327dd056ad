"""The pins, the ranges of setup.cfg, and the environment that make builds from them."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.environments import ENVIRONMENTS
from tests.environments import requirements as required_besides_openmmlab
from tests.environments import run as run_environment

REPO = Path(__file__).parents[2]


def pins() -> dict[str, str]:
    lines = (REPO / 'requirements' / 'pinned.txt').read_text().splitlines()
    rows = [line.split('==') for line in lines if line and not line.startswith('#')]
    return {name.lower().replace('_', '-'): version for name, version in rows}


def requirements(section: str, key: str) -> list[Requirement]:
    config = configparser.ConfigParser()
    config.read(REPO / 'setup.cfg')
    lines = config[section][key].splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.strip().startswith('#')]


def test_pip_check_is_clean():
    done = subprocess.run([sys.executable, '-m', 'pip', 'check'], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ('section', 'key'),
    [
        ('options', 'install_requires'),
        *(
            ('options.extras_require', extra)
            for extra in ('lite', 'mim', 'tensorboard', 'video', 'serve', 'export', 'dev')
        ),
    ],
)
def test_pins_lie_in_the_supported_ranges(section, key):
    pinned = pins()
    for requirement in requirements(section, key):
        assert requirement.specifier.contains(pinned[requirement.name.lower().replace('_', '-')]), requirement


def test_no_flavour_of_mmcv_is_forced_on_the_user():
    names = {requirement.name for requirement in requirements('options', 'install_requires')}
    assert not {name for name in names if 'mmcv' in name}
    assert [str(r) for r in requirements('options.extras_require', 'full')] == ['mmcv<2.2,>=2.0.1']


@pytest.fixture
def sources(tmp_path) -> Path:
    """A folder with the files that make needs for an environment."""
    for name in ('Makefile', 'requirements/pinned.txt', 'setup.cfg', 'genvlkt_mmdet/version.py'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, tmp_path / name)
    return tmp_path


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    env = {key: value for key, value in os.environ.items() if not key.startswith('MAKE')} | variables
    return subprocess.run([shutil.which('make'), *arguments], cwd=folder, env=env, capture_output=True, text=True)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    return path


def test_make_builds_the_environment_when_it_is_missing_or_out_of_date(sources):
    # In place of Python: notes its arguments, and makes the environment when asked to.
    python = script(
        sources / 'python',
        'test "$1" = -c && exit 0\n'
        'echo "$@" >> calls\nif [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi',
    )
    log = sources / 'calls'

    def calls() -> list[str]:
        log.write_text('')
        assert make(sources, 'env', f'PYTHON={python}').returncode == 0
        return log.read_text().splitlines()

    assert [call.split()[1] for call in calls()] == ['venv', 'pip', 'pip']
    assert calls() == [], 'nothing to do the second time'
    with open(sources / 'requirements' / 'pinned.txt', 'a') as file:
        file.write('six==1.17.0\n')
    again = calls()
    assert [call.split()[1] for call in again] == ['pip', 'pip'] and '-r requirements/pinned.txt' in again[0]
    assert len(list((sources / '.venv').glob('stamp-*'))) == 1


def test_make_takes_the_first_python_that_runs_and_is_supported(sources):
    script(sources / 'bin' / 'python3.11', 'exit 127')  # a shim without its version
    script(sources / 'bin' / 'python3.12', 'test "$1" = -c || { echo "$0 $@" >> calls; exit 1; }')
    made = make(sources, 'env', PATH=f'{sources / "bin"}:/usr/bin:/bin')
    assert made.returncode != 0 and (sources / 'calls').read_text().endswith('python3.12 -m venv .venv\n')


@pytest.mark.parametrize('named', [True, False])
def test_make_says_which_python_it_wants(sources, named):
    for name in ('python3.11', 'python3.12', 'python3.13', 'python3'):
        script(sources / 'bin' / name, 'exit 1')  # what an unsupported version answers
    named = [f'PYTHON={sources / "bin" / "python3"}'] if named else []
    made = make(sources, 'env', *named, PATH=f'{sources / "bin"}:/usr/bin:/bin')
    assert made.returncode != 0
    assert made.stdout.splitlines() == [
        'The pinned versions want Python 3.11, 3.12 or 3.13: install one, or name it: make PYTHON=/path/to/python'
    ]


def test_environments_cover_what_setup_cfg_supports():
    config = configparser.ConfigParser()
    config.read(REPO / 'setup.cfg')
    classifiers = config['metadata']['classifiers'].split('\n')
    supported = {line.split()[-1] for line in classifiers if line.startswith('Programming Language :: Python :: 3.')}
    assert {environment.python for environment in ENVIRONMENTS.values()} == supported
    assert any('lowest' in install for environment in ENVIRONMENTS.values() for install in environment.installs)
    assert 'open_clip_torch>=3.0,<4' in required_besides_openmmlab() and 'mmdet' not in required_besides_openmmlab()


def test_an_environment_without_its_python_is_named_and_skipped(monkeypatch):
    monkeypatch.setattr('tests.environments.find_python', lambda version: None)
    assert run_environment('newest-3.13', 'uv', []) == 'skipped: no Python 3.13 is installed'
