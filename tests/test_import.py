"""What the import of the package loads: nothing that only some programs need."""

import subprocess
import sys

import pytest

# Each of these takes a good part of a second, or reads many files.
LAZY = ('open_clip', 'inflect', 'timm', 'transformers', 'pyarrow', 'scipy.io', 'tensorboard', 'torchvision')


@pytest.mark.parametrize('statement', ['import genvlkt_mmdet', 'from genvlkt_mmdet.apis import HOIInferencer'])
def test_import_loads_no_optional_library(statement):
    code = f'import sys; {statement}; print(*(name for name in {LAZY!r} if name in sys.modules))'
    printed = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout
    assert printed.splitlines()[-1] == ''  # a fork of mmdet prints lines of its own before


def test_import_registers_the_parts():
    code = (
        'from mmengine.config import Config; from mmdet.registry import MODELS, DATASETS, METRICS, TRANSFORMS\n'
        "Config(dict(custom_imports=dict(imports=['genvlkt_mmdet']))); import genvlkt_mmdet\n"
        "assert all([MODELS.get('GENVLKT'), DATASETS.get('HICODetDataset'), METRICS.get('HICOMetric'), "
        "TRANSFORMS.get('MakeCLIPImage')])"
    )
    subprocess.run([sys.executable, '-c', code], check=True)
