"""compat.py: what is replaced, when, and what torch's safe loading accepts and refuses."""

import io
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from genvlkt_mmdet import compat
from genvlkt_mmdet.converters import CheckpointError


@pytest.fixture
def fake_mmcv(tmp_path, monkeypatch):
    """Puts an empty package ``mmcv`` before the installed one; returns its folder."""
    folder = tmp_path / 'mmcv'
    folder.mkdir()
    (folder / '__init__.py').touch()
    for name in [name for name in sys.modules if name.split('.')[0] == 'mmcv']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split('.')[0] == 'mmcv']:
        del sys.modules[name]


def test_nothing_is_replaced_with_the_full_mmcv(fake_mmcv):
    (fake_mmcv / '_ext.py').write_text('compiled = True\n')
    assert compat.install_ops_stand_in() is False
    from mmcv import _ext

    assert _ext.compiled and not isinstance(_ext, compat.MissingOps)


def test_stand_in_with_mmcv_lite(fake_mmcv):
    assert compat.install_ops_stand_in() is True
    stand_in = sys.modules['mmcv._ext']
    assert isinstance(stand_in, compat.MissingOps)
    assert stand_in.nms.__name__ == 'nms'
    with pytest.raises(RuntimeError, match=r'operator "nms" needs the full, compiled mmcv.*genvlkt\[full\]'):
        stand_in.nms(torch.zeros(1, 4))
    assert not hasattr(stand_in, '__path__')
    assert compat.install_ops_stand_in() is False, 'a second import must not replace the module again'
    assert sys.modules['mmcv._ext'] is stand_in


def test_no_mmcv_says_which_extra_to_choose(monkeypatch):
    monkeypatch.setattr(compat.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match=r'No mmcv.*genvlkt\[lite\].*genvlkt\[full\]'):
        compat.install_ops_stand_in()


def test_mmcv_reports_its_environment(fake_mmcv):
    """OpenMMLab's issue templates ask for mmcv's collect_env(), which says 'n/a' where there are no operators."""
    compat.install_ops_stand_in()
    stand_in = sys.modules['mmcv._ext']
    assert stand_in.get_compiler_version() == stand_in.get_compiling_cuda_version() == 'n/a'


def test_importing_the_package_leaves_the_process_alone():
    """Neither the environment nor what torch loads changes for whoever imports the package."""
    code = (
        'import os, logging; before = dict(os.environ); import genvlkt_mmdet, torch; '
        "changed = {k for k in os.environ if before.get(k) != os.environ[k]} & {'OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'}; "
        'assert not changed, changed; from mmengine.logging import HistoryBuffer; '
        'assert HistoryBuffer not in torch.serialization.get_safe_globals(); '
        'assert logging.root.manager.disable == 0; '
        "from mmcv.utils import collect_env; env = collect_env(); print(env['MMCV Compiler'], env['MMCV CUDA Compiler'])"
    )
    env = {key: value for key, value in os.environ.items() if key not in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')}
    done = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == 'n/a n/a'


def saved(content: object) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(content, file)
    file.seek(0)
    return file


def other_names(file: io.BytesIO) -> io.BytesIO:
    """Rewrites a checkpoint as a process with the other numpy, 1 or 2, would have written it."""
    names = [b'numpy._core.multiarray', b'numpy.core.multiarray']
    ours, theirs = names if np.lib.NumpyVersion(np.__version__) >= '2.0.0' else reversed(names)
    renamed = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(renamed, 'w') as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith('data.pkl'):
                assert ours in data
                data = data.replace(ours, theirs)
            target.writestr(name, data)
    renamed.seek(0)
    return renamed


@pytest.mark.parametrize('rename', [lambda file: file, other_names], ids=['this numpy', 'the other numpy'])
def test_what_mmengine_saves_loads_safely(rename, tmp_path):
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    content = dict(
        message_hub=dict(log_scalars=dict(loss=history), runtime_info=dict(best=np.float32(0.5), done=np.bool_(True))),
        boxes=np.arange(4, dtype=np.int64).reshape(2, 2),
    )
    path = tmp_path / 'a.pth'
    path.write_bytes(rename(saved(content)).getvalue())
    # As mmengine's Runner reads it; and what is allowed there is not allowed elsewhere.
    loaded = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    assert HistoryBuffer not in torch.serialization.get_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path)
    hub = loaded['message_hub']
    assert hub['log_scalars']['loss'].statistics('mean', 2) == 2.0
    assert hub['runtime_info'] == dict(best=np.float32(0.5), done=np.bool_(True))
    np.testing.assert_array_equal(loaded['boxes'], [[0, 1], [2, 3]])


class Command:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ('exit 3',)


class Attribute:
    """Asks for an attribute when it is unpickled."""

    def __init__(self, owner, name):
        self.args = owner, name

    def __reduce__(self):
        return getattr, self.args


@pytest.mark.parametrize(
    'content',
    [
        Command(),
        Attribute(HistoryBuffer, '__init__'),
        Attribute(np.ndarray, 'tofile'),
        np.array([Command()], dtype=object),
    ],
    ids=['command', 'other method', 'other class', 'object array'],
)
def test_everything_else_stays_refused(content, tmp_path):
    path = tmp_path / 'a.pth'
    path.write_bytes(saved(content).getvalue())
    with pytest.raises(CheckpointError, match='safe loading refuses|is no checkpoint of torch'):
        CheckpointLoader.load_checkpoint(str(path))


def test_what_the_user_allows_stays_allowed(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(history=HistoryBuffer([1.0], [1])), path)
    with torch.serialization.safe_globals([HistoryBuffer]):
        CheckpointLoader.load_checkpoint(str(path))
        assert HistoryBuffer in torch.serialization.get_safe_globals()
    assert HistoryBuffer not in torch.serialization.get_safe_globals()
