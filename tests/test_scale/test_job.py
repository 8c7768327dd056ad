"""Batch jobs in one process and under torchrun: rows, resuming, errors, sources."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.datasets import result_rows
from genvlkt_mmdet.datasets.storage import open_storage
from genvlkt_mmdet.datasets.video_file import new_video
from genvlkt_mmdet.evaluation.io import write_results
from genvlkt_mmdet.scale import detect_rows
from genvlkt_mmdet.scale.inputs import container_items, find_inputs
from genvlkt_mmdet.vocabulary import load_vocabulary

from .conftest import MODEL, content_of, read

pa = pytest.importorskip('pyarrow', reason='batch jobs need pyarrow: the extra `scale`')
parquet = pytest.importorskip('pyarrow.parquet')

ROOT = Path(__file__).parents[2]
ALL = dict(pred_score_thr=0.0, top_k=5)


def test_rows_are_those_of_the_inferencer(photos):
    summary = detect_rows([photos], 'rows', MODEL, **ALL)
    assert (summary.rows, summary.errors, summary.existing) == (12, 1, 0)
    rows = read('rows')
    assert list(rows) != [] and set(rows) == {f'photos/{i:02d}.png' for i in range(12)}
    inferencer = HOIInferencer(**MODEL, show_progress=False)
    results = inferencer(str(photos), **ALL)
    for result in results['predictions']:
        row = rows[result.image]
        assert (row['width'], row['height'], row['error'], row['frame']) == (result.width, result.height, None, None)
        assert len(row['triplets']) == len(result) == 5
        for triplet, hoi, label in zip(row['triplets'], result, result.hoi_labels):
            for key in ('human_box', 'object_box'):
                box = triplet.pop(key)
                assert (box and list(box.values())) == hoi[key]
            assert triplet.pop('hoi') == label
            assert triplet == {key: hoi[key] for key in ('verb', 'object', 'phrase', 'score', 'query')}
    broken = rows['photos/05.png']
    assert broken['error'] == results['broken'][0]['error'] and broken['triplets'] == [] and broken['width'] is None
    assert {row['model'] for row in rows.values()} == {rows['photos/00.png']['model']}
    assert rows['photos/00.png']['model'].startswith('gen_vlkt_tiny_minihoi@')


def test_batches_have_images_of_one_size(photos):
    """The images of other sizes in a batch do not change a row."""
    detect_rows([photos], 'one', MODEL, **ALL)
    detect_rows([photos], 'four', MODEL, batch_size=4, **ALL)
    one, four = read('one'), read('four')
    for key, row in one.items():
        for a, b in zip(row['triplets'], four[key]['triplets'], strict=True):
            assert a['phrase'] == b['phrase'] and a['score'] == pytest.approx(b['score'], abs=1e-5)


def test_goes_on_where_it_was(photos):
    full = detect_rows([photos], 'full', MODEL, **ALL)
    detect_rows([photos], 'rows', MODEL, rows_per_file=2, **ALL)
    files = sorted(Path('rows').glob('*.parquet'))
    assert len(files) == 6 and full.rows == 12
    files[0].unlink()
    files[1].rename('rows/x.parquet.0123abcd.part')  # as a killed job can leave it
    summary = detect_rows([photos], 'rows', MODEL, rows_per_file=3, **ALL)
    assert (summary.rows, summary.existing) == (4, 8)
    assert read('rows') == read('full')
    assert detect_rows([photos], 'rows', MODEL, **ALL).rows == 0


def test_a_container_goes_on_where_it_was(photos, archive):
    detect_rows([archive], 'full', MODEL, **ALL)
    detect_rows([archive], 'rows', MODEL, rows_per_file=5, **ALL)
    files = sorted(Path('rows').glob('*.parquet'))
    assert [file.stem[-14:] for file in files][1:] == [files[1].stem[-14:], '000000010-last']
    for file in files[1:]:
        file.unlink()
    summary = detect_rows([archive], 'rows', MODEL, rows_per_file=4, **ALL)
    assert (summary.rows, summary.complete) == (7, 0)
    assert read('rows') == read('full')
    archive.write_bytes(b'')  # it is complete, and not opened again
    assert detect_rows([archive], 'rows', MODEL, **ALL).complete == 1


def test_every_source_gives_the_same_rows(photos, archive, tables):
    detect_rows([photos], 'rows', MODEL, **ALL)
    expected = {Path(key).name: content_of(row) for key, row in read('rows').items()}
    for name, sources, key in (
        ('tar', [archive], 'shard.tar/03.png'),
        ('bytes', [tables / 'bytes.parquet'], 'tables/bytes.parquet#3'),
        ('struct', [tables / 'struct.parquet'], 'tables/struct.parquet#3'),
        ('paths', [tables / 'paths.parquet'], 'tables/paths.parquet#3'),
        ('file', [f'file://{photos.absolute()}'], f'file://{photos.absolute()}/03.png'),
        ('pattern', ['photos/0*.png', 'photos/1*.png', 'photos/03.png'], 'photos/03.png'),
    ):
        summary = detect_rows(sources, name, MODEL, **ALL)
        rows = read(name)
        assert (summary.rows, summary.errors) == (12, 1) and key in rows
        assert {Path(row['image']).name: content_of(row) for row in rows.values()} == expected, name
    detect_rows([photos, archive, tables], 'all', MODEL, pred_score_thr=2.0)
    assert len(read('all')) == 12 * 5


def test_frames_of_videos(photos, contents):
    pytest.importorskip('av', reason='videos need PyAV: the extra `video`')
    image = cv2.imdecode(np.frombuffer(contents['01.png'], np.uint8), cv2.IMREAD_COLOR)
    with new_video('clip.mp4', 10) as video:
        for i in range(7):
            video.write(np.roll(image, 4 * i, 1))
    summary = detect_rows(['clip.mp4'], 'rows', MODEL, stride=3, **ALL)
    rows = read('rows')
    assert summary.rows == 3 and [row['frame'] for row in rows.values()] == [0, 3, 6]
    assert rows['clip.mp4#3']['time'] == pytest.approx(0.3) and rows['clip.mp4#3']['image'] == 'clip.mp4'
    inferencer = HOIInferencer(**MODEL, show_progress=False)
    expected = list(inferencer.stream('clip.mp4', stride=3, **ALL))
    assert [t['phrase'] for t in rows['clip.mp4#6']['triplets']] == [hoi['phrase'] for hoi in expected[2]]


def test_a_damaged_container_is_a_row_with_an_error(photos, archive):
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    Path('empty.parquet').write_bytes(b'PAR1')
    summary = detect_rows([archive, 'empty.parquet'], 'rows', MODEL, **ALL)
    rows = read('rows')
    assert "'shard.tar' cannot be read to its end" in rows['shard.tar']['error']
    assert "'empty.parquet' cannot be read" in rows['empty.parquet#group0']['error']
    assert 2 < summary.rows < 12 and 'shard.tar/00.png' in rows


def test_rows_of_another_run_are_noticed(photos):
    detect_rows([photos], 'rows', MODEL, **ALL)
    with pytest.raises(ValueError, match=r"'rows' holds rows of another run \(top_k 5 instead of 6\): give the same"):
        detect_rows([photos], 'rows', MODEL, pred_score_thr=0.0, top_k=6)
    phrases = ['a person pushing a suitcase']
    with pytest.raises(ValueError, match='holds rows of another run .classes'):
        detect_rows([photos], 'rows', dict(MODEL, vocabulary=phrases), **ALL)
    Path('rows/notes.parquet').write_bytes(b'')
    with pytest.raises(ValueError, match="holds 'notes.parquet', which is no file of a result"):
        detect_rows([photos], 'rows', MODEL, **ALL)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(workers=-1), 'workers must be a whole number'),
        (dict(rows_per_file=0), 'rows_per_file must be a whole number'),
        (dict(engine='spark'), "There is no engine 'spark'"),
        (dict(sources=['tables/bytes.parquet'], column='image'), "no column 'image' of bytes or paths; it has content"),
        (dict(sources=['none.tar']), "'none.tar' does not exist"),
        (dict(sources=['.']), "'.' holds no image, video, tar or Parquet file. Its subfolders"),
        (dict(out='photos/00.png'), 'is a file: give another name'),
    ],
)
def test_mistakes(photos, tables, settings, message):
    with pytest.raises((ValueError, OSError), match=message):
        detect_rows(**{'sources': [photos], 'out': 'rows', 'model': MODEL, **settings})


def test_ambiguous_columns(photos):
    parquet.write_table(pa.table(dict(a=[b'1'], b=[b'2'])), 'two.parquet')
    with pytest.raises(
        ValueError, match=r'several columns that can hold images \(a, b\): name the column with --column'
    ):
        find_inputs(['two.parquet'])
    parquet.write_table(pa.table(dict(a=[1])), 'none.parquet')
    with pytest.raises(ValueError, match='no column of images or paths'):
        find_inputs(['none.parquet'])
    (container,) = find_inputs(['two.parquet'], column='b')[1]
    assert [item.key for item in container_items(container, (), 'b')] == ['two.parquet#0']


def test_missing_pyarrow_is_one_sentence(photos, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pyarrow.fs', None)
    with pytest.raises(ImportError, match="needs pyarrow, which is not installed: run `pip install 'genvlkt"):
        detect_rows([photos], 'rows', MODEL)


def test_torchrun_writes_the_same_rows(photos, archive, tables):
    """Also what RANK and WORLD_SIZE mean without torchrun, as in an array of jobs."""
    sources = [str(photos), str(archive), str(tables / 'bytes.parquet')]
    options = ['--device', 'cpu', '--score-thr', '0', '--top-k', '5']
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    tool = str(ROOT / 'tools' / 'infer.py')
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--nproc-per-node',
            '2',
            tool,
            *sources,
            '--out',
            'rows',
            *options,
        ],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert 'see rows' in done.stdout, done.stderr
    detect_rows(sources, 'serial', MODEL, **ALL)
    assert read('rows') == read('serial') and len(read('rows')) == 36


def test_evaluation_reads_rows(photos, monkeypatch, capsys):
    """The same mAP as of the same triplets in a JSON file."""
    from genvlkt_mmdet.cli import run_verb

    detect_rows([photos], 'rows', MODEL, pred_score_thr=0.0, top_k=20)
    vocabulary, rows = load_vocabulary('minihoi'), read('rows')
    entries, records = [], []
    for key, row in rows.items():
        name, kept = Path(key).name, row['triplets']
        boxes = [[list(t[side].values()) for t in kept] for side in ('human_box', 'object_box')]
        numbers = dict(labels=[t['hoi'] for t in kept], scores=[t['score'] for t in kept])
        if row['error'] is None:
            entries.append(dict(file_name=name, human_boxes=boxes[0], object_boxes=boxes[1], **numbers))
        annotations, hois = [], []
        for t in kept[:3]:  # some of the detections are right
            label = vocabulary.hoi_objects[t['hoi']]
            for side, index in (('human_box', vocabulary.object_names.index('person')), ('object_box', label)):
                annotations.append(dict(bbox=list(t[side].values()), category_id=vocabulary.object_ids[index]))
            verb = vocabulary.verb_ids[vocabulary.hoi_verbs[t['hoi']]]
            count = len(annotations)
            hois.append(dict(subject_id=count - 2, object_id=count - 1, category_id=verb))
        records.append(dict(file_name=name, annotations=annotations, hoi_annotation=hois))
    Path('test.json').write_text(json.dumps(records))
    write_results('results.json', entries)
    summaries = []
    for results in ('rows', 'results.json', f'file://{Path("rows").absolute()}'):
        arguments = ['--vocabulary', 'minihoi', '--ann-file', 'test.json', '--results', results, '--out', 'm.json']
        monkeypatch.setattr(sys, 'argv', ['genvlkt', *arguments])
        run_verb('eval', arguments)
        summaries.append(json.loads(Path('m.json').read_text()))
        assert '1 of 12 images have no detections' in capsys.readouterr().out
    assert summaries[0] == summaries[1] == summaries[2] and 0 < summaries[0]['default']['full'] < 1
    with pytest.raises(SystemExit, match="is of a model with other classes than those of the vocabulary 'hico'"):
        run_verb('eval', ['hico', '--ann-file', 'test.json', '--results', 'rows'])


def test_dataset_check_reads_rows(photos, capsys):
    from genvlkt_mmdet.cli import run_verb

    detect_rows([photos], 'rows', MODEL, pred_score_thr=0.0, top_k=5)
    with pytest.raises(SystemExit):
        run_verb('data check', ['rows', '--vocabulary', 'minihoi', '--images', '.', '--json', 'f.json'])
    findings = json.loads(Path('f.json').read_text())
    assert findings['counts']['images'] == 12 and findings['counts']['triplets'] == 55
    (case,) = findings['findings']['image does not decode']
    assert case.startswith("photos/05.png: 'photos/05.png' is no image that can be decoded")
    assert 'image missing' not in findings['findings'] and 'box outside the image' not in findings['findings']


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    folder = open_storage(str(tmp_path))

    def fail(*_):
        raise OSError('full')

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(OSError):
        result_rows.write_rows(folder, 'a.parquet', [], {})
    assert list(tmp_path.iterdir()) == []
