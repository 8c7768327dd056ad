"""Who is credited, where, and that it travels with the sources; the wheel is looked at in test_wheel."""

import shutil
import subprocess
import sys
import tarfile

import yaml

from .test_environment import REPO

SOURCES = (
    'YueLiao/gen-vlkt',
    'hitachi-rd-cv/qpic',
    'ywchao/ho-rcnn',
    's-gupta/v-coco',
    'cocodataset.org',
    'fredzzhang/hicodet',
    'fredzzhang/vcoco',
    'open-mmlab/mmdetection',
)
LICENSES = ('MIT License', 'Apache License 2.0', 'Simplified BSD License', 'Creative Commons Attribution 4.0')


def test_notice_names_every_source_and_its_license():
    text = (REPO / 'NOTICE').read_text(encoding='utf-8')
    for name in (*SOURCES, *LICENSES):
        assert name in text, name


def test_citation_is_the_paper():
    citation = yaml.safe_load((REPO / 'CITATION.cff').read_text(encoding='utf-8'))
    assert citation['cff-version'] == '1.2.0' and citation['authors'] and citation['message']
    paper = citation['preferred-citation']
    assert paper['year'] == 2022 and paper['title'].startswith('GEN-VLKT: ')
    readme = (REPO / 'README.md').read_text(encoding='utf-8')
    assert 'https://github.com/YueLiao/gen-vlkt' in readme
    entry = readme[readme.index('@inproceedings') :]
    for author in paper['authors']:
        assert f'{author["family-names"]}, {author["given-names"]}' in entry


def test_sources_carry_credit_and_types(tmp_path):
    code = 'import setuptools.build_meta as build, sys; print(build.build_sdist(sys.argv[1]))'
    # setuptools writes beside the sources, so it gets a copy.
    copy = tmp_path / 'copy'
    shutil.copytree(
        REPO / 'genvlkt_mmdet', copy / 'genvlkt_mmdet', ignore=shutil.ignore_patterns('__pycache__', '.mim')
    )
    for name in ('setup.cfg', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'NOTICE', 'CITATION.cff'):
        shutil.copy(REPO / name, copy / name)
    done = subprocess.run([sys.executable, '-c', code, str(tmp_path)], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.glob('genvlkt-*.tar.gz'))) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    assert {'NOTICE', 'LICENSE', 'CITATION.cff', 'genvlkt_mmdet/py.typed'} <= names
