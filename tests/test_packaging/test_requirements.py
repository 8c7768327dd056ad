"""Every library that the package or a tool imports is one that setup.cfg asks for."""

import ast
import sys
from pathlib import Path

import pytest

from .test_environment import REPO, requirements

# Where the name of the module is not that of the distribution.
DISTRIBUTIONS = {'PIL': 'pillow', 'open_clip': 'open-clip-torch', 'yaml': 'pyyaml'}
# Two distributions bring each of these, so the user chooses by an extra; OpenCV comes with either flavour of mmcv.
FROM_AN_EXTRA = {'cv2', 'mmcv'}
# The load generator of one benchmark, which says how to install it
BY_HAND = {'locust'}
OURS = {'genvlkt_mmdet', 'genvlkt_start', 'tools'}


def imported(folder: str) -> dict[str, str]:
    """Modules that the files of a folder import, anywhere in them, and a file that does; relative imports left out."""
    modules = {}
    for file in sorted((REPO / folder).rglob('*.py')):
        own = {path.stem for path in file.parent.iterdir()}  # tools of a folder import each other
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in (name.split('.')[0] for name in names):
                if name not in own:
                    modules.setdefault(name, str(file.relative_to(REPO)))
    return {name: file for name, file in modules.items() if name not in sys.stdlib_module_names | OURS}


@pytest.mark.parametrize('folder', ['genvlkt_mmdet', 'tools'])
def test_every_import_is_declared(folder):
    names = ('video', 'web', 'serve', 'export', 'quantize', 'scale')
    extras = [requirements('options.extras_require', extra) for extra in names]
    declared = {r.name.lower().replace('_', '-') for r in sum(extras, requirements('options', 'install_requires'))}
    missing = {
        name: file
        for name, file in imported(folder).items()
        if name not in FROM_AN_EXTRA | BY_HAND
        and DISTRIBUTIONS.get(name, name.lower().replace('_', '-')) not in declared
    }
    assert not missing, f'setup.cfg lacks what these files import: {missing}'


def test_every_requirement_is_used_and_has_a_lower_bound():
    used = {DISTRIBUTIONS.get(name, name.lower().replace('_', '-')) for name in imported('genvlkt_mmdet')}
    for requirement in requirements('options', 'install_requires'):
        # setuptools is for mmengine and mim, as setup.cfg says
        assert requirement.name.lower().replace('_', '-') in used | {'setuptools'}, requirement
        assert any(specifier.operator == '>=' for specifier in requirement.specifier), requirement


def test_the_vision_library_comes_with_an_extra():
    for extra in ('lite', 'full'):
        assert len(requirements('options.extras_require', extra)) == 1
    assert Path(REPO, 'setup.cfg').read_text().count('opencv') == 0
