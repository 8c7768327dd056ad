"""Batch jobs on Ray Data: the same rows, also when an actor or the whole job is killed; an object store."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genvlkt_mmdet.scale import detect_rows

from .conftest import MODEL, read

pytestmark = pytest.mark.scale
pytest.importorskip('ray', reason='the engine needs Ray: the extra `scale`')
psutil = pytest.importorskip('psutil')

ROOT = Path(__file__).parents[2]
OPTIONS = ['--device', 'cpu', '--score-thr', '0', '--top-k', '5', '--rows-per-file', '10']
ALL = dict(pred_score_thr=0.0, top_k=5)


@pytest.fixture
def many(photos, contents) -> Path:
    """A folder of 120 images."""
    for name, content in contents.items():
        for i in range(9):
            (photos / f'{i}_{name}').write_bytes(content)
    return photos


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(ROOT / 'tools' / 'infer.py'), *arguments, *OPTIONS, '--engine', 'ray', '--workers', '2'],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )


def wait_for_files(job: subprocess.Popen, count: int) -> None:
    while len(list(Path('rows').glob('*.parquet'))) < count and job.poll() is None:
        time.sleep(0.02)


def test_an_actor_is_killed_and_then_the_job(many):
    """No row is lost and none is there twice. The second start computes only what is missing."""
    detect_rows([many], 'serial', MODEL, **ALL)
    expected = read('serial')
    job = start('photos', '--out', 'rows')
    wait_for_files(job, 2)
    children = psutil.Process(job.pid).children(recursive=True)
    actors = [child for child in children if 'ray::MapWorker' in ' '.join(child.cmdline())]
    os.kill(actors[0].pid, signal.SIGKILL)
    printed, _ = job.communicate()
    assert job.returncode == 3 and '120 rows computed, 10 of them with an error' in printed
    assert read('rows') == expected

    for file in Path('rows').iterdir():
        file.unlink()
    job = start('photos', '--out', 'rows')
    wait_for_files(job, 3)
    job.kill()
    job.communicate()
    time.sleep(3)
    there = len(read('rows'))
    printed, _ = start('photos', '--out', 'rows').communicate()
    assert f'{120 - there} rows computed' in printed and f'{there} images' in printed and 0 < there < 120
    assert read('rows') == expected


def test_an_object_store(photos, archive, monkeypatch):
    """moto stands for S3: tar files are read from there, and rows are written there and read again."""
    server = pytest.importorskip('moto.server', reason='the mock of S3: `pip install moto[server]`')
    boto3 = pytest.importorskip('boto3')
    from genvlkt_mmdet.datasets.result_rows import read_keys, result_files
    from genvlkt_mmdet.datasets.storage import open_storage

    mock = server.ThreadedMotoServer('127.0.0.1', 0)
    mock.start()
    try:
        host, port = mock.get_host_and_port()
        for name, value in (
            ('AWS_ACCESS_KEY_ID', 'x'),
            ('AWS_SECRET_ACCESS_KEY', 'x'),
            ('AWS_DEFAULT_REGION', 'us-east-1'),
            ('AWS_ENDPOINT_URL', f'http://{host}:{port}'),
        ):
            monkeypatch.setenv(name, value)
        boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL']).create_bucket(Bucket='bucket')
        bucket = open_storage('s3://bucket')
        bucket.write('in/shard.tar', archive.read_bytes())
        bucket.write('in/one.png', (photos / '01.png').read_bytes())
        summary = detect_rows(['s3://bucket/in'], 's3://bucket/rows', MODEL, rows_per_file=5, **ALL)
        assert (summary.rows, summary.errors) == (13, 1)
        rows = open_storage('s3://bucket/rows')
        keys = list(read_keys(rows, result_files(rows)))
        assert len(keys) == 13 and {'s3://bucket/in/one.png', 's3://bucket/in/shard.tar/11.png'} <= set(keys)
        again = detect_rows(['s3://bucket/in'], 's3://bucket/rows', MODEL, rows_per_file=5, **ALL)
        assert (again.rows, again.existing, again.complete) == (0, 1, 1)
    finally:
        mock.stop()
