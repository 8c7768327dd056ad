import http.server
import json
import threading
import urllib.error
from dataclasses import replace

import pytest

from genvlkt_mmdet.datasets.sources import (
    DATASET_LAYOUTS,
    Source,
    download,
    download_dataset,
    has_checksum,
    instructions,
    verify_folder,
)
from tests.shared import shared_path


@pytest.fixture
def server(tmp_path):
    """A web server on this machine with one file."""
    folder = tmp_path / 'web'
    folder.mkdir()
    (folder / 'a.txt').write_text('hello')

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            """Quiet."""

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{running.server_port}'
        running.shutdown()
        thread.join()


def test_download(server, tmp_path):
    # sha256 of 'hello'
    checksum = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
    source = Source('a.txt', f'{server}/a.txt', '.', direct=True, checksum=checksum)
    file = download(source, tmp_path, progress=True)
    assert file == tmp_path / 'downloads' / 'a.txt' and file.read_text() == 'hello'
    (tmp_path / 'web' / 'a.txt').write_text('other')
    assert download(source, tmp_path).read_text() == 'hello'  # a complete file is not downloaded again
    with pytest.raises(ValueError, match='has another checksum than the known one'):
        download(Source('a.txt', f'{server}/a.txt', '.', direct=True, checksum='md5:00'), tmp_path)


def test_download_dataset(server, tmp_path, monkeypatch):
    sources = (Source('a.txt', f'{server}/a.txt', 'annotations', direct=True), Source('c.txt', 'https://x', '.'))
    monkeypatch.setitem(DATASET_LAYOUTS, 'hico', replace(DATASET_LAYOUTS['hico'], sources=sources))
    lines = []
    download_dataset('hico', tmp_path, log=lines.append)
    assert (tmp_path / 'annotations' / 'a.txt').read_text() == 'hello' and len(lines) == 2


def test_download_that_fails(server, tmp_path):
    for page in (f'{server}/none.txt', 'http://127.0.0.1:9/a.txt'):
        with pytest.raises(
            ConnectionError, match=r'cannot be fetched \(.*\): check the network, or fetch it elsewhere'
        ):
            download(Source('b.txt', page, '.', direct=True), tmp_path, timeout=5)
    assert list((tmp_path / 'downloads').iterdir()) == []
    with pytest.raises(ValueError, match='cannot be fetched by a program: visit https://x'):
        download(Source('c.txt', 'https://x', '.'), tmp_path)


def test_known_checksums_are_those_of_the_real_files():
    known = {s.name: s.checksum for layout in DATASET_LAYOUTS.values() for s in layout.sources if s.checksum}
    for name, file in [
        ('instances_test2015.json', 'hico_det_test.json'),
        ('instances_vcoco_trainval.json', 'vcoco_trainval.json'),
        ('instances_vcoco_test.json', 'vcoco_test.json'),
    ]:
        assert has_checksum(shared_path('annotations', file), known[name])


@pytest.mark.parametrize('name', sorted(DATASET_LAYOUTS))
def test_instructions_name_every_part(name):
    text = instructions(name, 'data/x')
    for source in DATASET_LAYOUTS[name].sources:
        assert source.name in text and source.page in text


def test_verify_folder(tmp_path, monkeypatch):
    assert verify_folder('hico', tmp_path / 'none') == [f"Folder '{tmp_path / 'none'}' is missing."]
    problems = verify_folder('hico', tmp_path)
    assert len(problems) == 4 and all('is missing' in p for p in problems)

    layout = DATASET_LAYOUTS['hico']
    small = {'images/train2015': 1, 'images/test2015': 2}
    annotations = dict.fromkeys(layout.annotations, 1)
    monkeypatch.setitem(DATASET_LAYOUTS, 'hico', replace(layout, images=small, annotations=annotations))
    record = dict(file_name='a.jpg', annotations=[], hoi_annotation=[])
    (tmp_path / 'annotations').mkdir()
    for folder, files in (('train2015', 'a'), ('test2015', 'ab')):
        (tmp_path / 'images' / folder).mkdir(parents=True)
        for file in files:
            (tmp_path / 'images' / folder / f'{file}.jpg').touch()
    for file in layout.annotations:
        (tmp_path / file).write_text(json.dumps([record]))
    lines = []
    assert verify_folder('hico', tmp_path, lines.append) == []
    assert len(lines) == 4 and "of the family 'qpic'" in lines[2]

    (tmp_path / 'images' / 'test2015' / 'a.jpg').unlink()
    (tmp_path / 'annotations' / 'trainval_hico.json').write_text('[')
    problems = verify_folder('hico', tmp_path, lines.append)
    assert len(problems) == 3
    assert 'holds 1 of 2 images' in problems[0] and 'is no valid JSON' in problems[1]
    assert "lacks 1 images of 'annotations/test_hico.json', e.g. 'a.jpg'" in problems[2]


def test_tool_without_network_or_data(tmp_path, run_tool, monkeypatch):
    """The tool ends with one sentence, and tells what to get and where to put it."""
    out, code = run_tool('download_dataset.py', 'hico', '--root', tmp_path)
    assert 'hico_20160224_det.tar.gz' in out and code.startswith('error: HICO-DET in ')

    def no_network(*args, **kwargs):
        raise urllib.error.URLError('Temporary failure in name resolution')

    monkeypatch.setattr('urllib.request.urlopen', no_network)
    _, code = run_tool('download_dataset.py', 'vcoco', '--root', tmp_path, '--download')
    assert "train2014.zip' cannot be fetched (Temporary failure in name resolution): check the network" in code
    assert '\n' not in code
