"""The pins, the ranges of setup.cfg, and the environment that make builds from them."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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
        *(('options.extras_require', extra) for extra in ('lite', 'mim', 'tensorboard', 'dev')),
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


def test_make_builds_the_environment_when_it_is_missing_or_out_of_date(tmp_path):
    for name in ('Makefile', 'requirements/pinned.txt', 'setup.cfg', 'genvlkt_mmdet/version.py'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, tmp_path / name)
    # In place of Python: notes its arguments, and makes the environment when asked to.
    python = tmp_path / 'python'
    python.write_text(
        '#!/bin/sh\necho "$@" >> calls\nif [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
    )
    python.chmod(0o755)
    log = tmp_path / 'calls'

    def make() -> list[str]:
        log.write_text('')
        env = {key: value for key, value in os.environ.items() if not key.startswith('MAKE')}
        subprocess.run(['make', 'env', f'PYTHON={python}'], cwd=tmp_path, env=env, check=True, capture_output=True)
        return log.read_text().splitlines()

    assert [call.split()[1] for call in make()] == ['venv', 'pip', 'pip']
    assert make() == [], 'nothing to do the second time'
    with open(tmp_path / 'requirements' / 'pinned.txt', 'a') as file:
        file.write('six==1.17.0\n')
    calls = make()
    assert [call.split()[1] for call in calls] == ['pip', 'pip'] and '-r requirements/pinned.txt' in calls[0]
    assert len(list((tmp_path / '.venv').glob('stamp-*'))) == 1
