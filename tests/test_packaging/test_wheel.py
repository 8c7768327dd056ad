"""The wheel, installed in an environment of its own and used from an empty folder, as a user with mim does."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
# One build and one environment for all tests of this file, also under pytest-xdist.
pytestmark = [pytest.mark.xdist_group('wheel'), pytest.mark.slow]

TINY = 'configs/gen_vlkt_tiny_minihoi.py'
# A handful of rendered images, one epoch of two steps without validation.
CUT = [
    *(f'{part}_dataloader.dataset.render.sizes.{part}=8' for part in ('train', 'val', 'test')),
    *(f'{part}_dataloader.batch_size=4' for part in ('train', 'val', 'test')),
    *(f'{part}_dataloader.num_workers=0' for part in ('train', 'val', 'test')),
    *(f'{part}_dataloader.persistent_workers=False' for part in ('train', 'val', 'test')),
    'train_cfg.max_epochs=1',
    'train_cfg.val_begin=2',
    'default_hooks.logger.interval=1',
]


def run(*command: str | Path, cwd: Path, code: int = 0) -> str:
    """Runs a command without what the test's own process has on its path; returns all it printed."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(('PYTHON', 'PYTEST'))}
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900
    )
    assert (done.returncode != 0) == bool(code), done.stdout
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """Builds the wheel from a copy of the sources."""
    root = tmp_path_factory.mktemp('build')
    sources = root / 'sources'
    keep = [
        'genvlkt_mmdet',
        'genvlkt_start.py',
        'configs',
        'tools',
        'setup.cfg',
        'pyproject.toml',
        'MANIFEST.in',
        'model-index.yml',
        'README.md',
        'LICENSE',
        'NOTICE',
    ]
    for name in keep:
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, sources / name, symlinks=True, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(source, sources / name)
    options = ('--no-deps', '--no-build-isolation', '--no-index', '--quiet')
    run(sys.executable, '-m', 'pip', 'wheel', *options, '-w', root, sources, cwd=root)
    return next(root.glob('genvlkt-*.whl'))


@pytest.fixture(scope='module')
def python(wheel, tmp_path_factory) -> Path:
    """Python of a new environment that holds the wheel, and sees the other packages of the running one."""
    folder = tmp_path_factory.mktemp('env') / 'venv'
    venv.create(folder)
    python = folder / 'bin' / 'python'
    pip = (sys.executable, '-m', 'pip', '--python', python, 'install')
    run(*pip, '--no-deps', '--no-index', '--quiet', wheel, cwd=folder)
    site = run(python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))', cwd=folder).strip()
    # Only a path: the running environment's own .pth files, and so its genvlkt, stay unread.
    others = {sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}
    Path(site, 'dependencies.pth').write_text('\n'.join(sorted(others)) + '\n')
    # mmengine formats the text of a config with yapf several times a run, which takes longer than the run itself.
    yapflib = Path(site, 'yapf', 'yapflib')
    yapflib.mkdir(parents=True)
    Path(site, 'yapf', '__init__.py').write_text("__version__ = '0.40.2'\n")
    (yapflib / 'yapf_api.py').write_text('def FormatCode(text, **options):\n    return text, True\n')
    return python


@pytest.fixture
def mim(python):
    """Runs ``mim`` of that environment in a folder."""

    def call(*arguments: str, cwd: Path, code: int = 0) -> str:
        return run(python, '-c', 'from mim.cli import cli; cli()', *arguments, cwd=cwd, code=code)

    return call


def test_wheel_holds_what_it_needs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split('/')[0] for name in names}
    assert {name for name in top if not name.endswith('.dist-info')} == {'genvlkt_mmdet', 'genvlkt_start.py'}
    for name in (
        'genvlkt_mmdet/.mim/configs/gen_vlkt_s_hico.py',
        'genvlkt_mmdet/.mim/configs/_base_/default_runtime.py',
        'genvlkt_mmdet/.mim/tools/train.py',
        'genvlkt_mmdet/.mim/tools/dist_train.sh',
        'genvlkt_mmdet/.mim/model-index.yml',
        'genvlkt_mmdet/vocabulary/hico.json',
        'genvlkt_mmdet/assets/detr_tiny_minihoi.pth',
        'genvlkt_mmdet/py.typed',
    ):
        assert name in names
    licenses = {name.split('/')[-1] for name in names if '.dist-info/' in name}
    assert {'LICENSE', 'NOTICE'} <= licenses
    # The shipped files are those of the repository, byte for byte, not links to it.
    with zipfile.ZipFile(wheel) as archive:
        for folder in ('configs', 'tools'):
            for file in (REPO / folder).rglob('*.py'):
                assert archive.read(f'genvlkt_mmdet/.mim/{file.relative_to(REPO).as_posix()}') == file.read_bytes()
    assert not [name for name in names if '__pycache__' in name or name.endswith('.pyc')]


def test_package_and_configs_come_from_the_wheel(python, tmp_path):
    (tmp_path / 'mine.py').write_text("_base_ = str(__import__('genvlkt_mmdet').apis.find_config('gen_vlkt_s_hico'))\n")
    code = (
        'import genvlkt_mmdet as package, importlib.metadata as metadata\n'
        'from mmengine import Config\n'
        'kind = Config.fromfile("mine.py").model.type\n'
        'print(package.__file__, package.__version__, metadata.version("genvlkt"), kind)'
    )
    file, version, distribution, kind = run(python, '-c', code, cwd=tmp_path).split()[-4:]
    assert Path(file).is_relative_to(python.parents[1])
    assert version == distribution
    assert kind == 'GENVLKT'


def test_use_section_of_the_readme_runs_in_an_empty_folder(python, tmp_path):
    """The first commands of the section, as printed, on the shipped model."""
    use = (REPO / 'README.md').read_text().partition('### Detect interactions')[2]
    commands = [line.partition('  #')[0].split() for line in use.split('\n\n')[1].splitlines()]
    assert len(commands) == 3 and all(words[0] == 'genvlkt' for words in commands)
    printed = [run(python.with_name('genvlkt'), *words[1:], cwd=tmp_path) for words in commands]
    assert ' in 20 images: see out' in printed[1] and printed[1].count('.jpg: person ') > 10
    assert 'scenes/images/test/000000.jpg: person ' in printed[2]
    assert len(list((tmp_path / 'out' / 'vis').iterdir())) == len(list((tmp_path / 'out' / 'preds').iterdir())) == 20


def test_mim_trains_and_tests_from_an_empty_folder(mim, tmp_path):
    printed = mim('train', 'genvlkt', TINY, '--cfg-options', *CUT, cwd=tmp_path)
    work_dir = tmp_path / 'work_dirs' / 'gen_vlkt_tiny_minihoi'
    assert (work_dir / 'epoch_1.pth').is_file(), printed
    printed = mim(
        *('test', 'genvlkt', TINY, '--checkpoint', str(work_dir / 'epoch_1.pth'), '--cfg-options', *CUT), cwd=tmp_path
    )
    results = json.loads(next(work_dir.glob('*/*.json')).read_text())
    assert 0 <= results['hico/full'] <= 1, printed


def test_mim_names_the_missing_file_of_hico(mim, tmp_path):
    printed = mim('train', 'genvlkt', 'configs/gen_vlkt_s_hico.py', cwd=tmp_path, code=1)
    message = next(line for line in printed.splitlines() if line.startswith('error: '))
    assert 'data/hico_20160224_det/annotations/trainval_hico.json' in message
    assert 'genvlkt data download hico' in message


def test_mim_lists_the_models(mim, tmp_path):
    assert 'gen_vlkt_s_hico' in mim('search', 'genvlkt', cwd=tmp_path)


def test_mim_lists_the_package(mim, tmp_path):
    assert 'genvlkt' in mim('list', cwd=tmp_path)
