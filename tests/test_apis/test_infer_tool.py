import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from genvlkt_mmdet.apis.configs import find_config
from genvlkt_mmdet.datasets.video_file import new_video, read_video
from genvlkt_mmdet.vocabulary import load_vocabulary

CONFIG = find_config('gen_vlkt_tiny_minihoi')


def test_writes_drawings_and_json(run, tmp_path, capsys):
    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(CONFIG).model)
    meta = dict(dataset_meta=dict(vocabulary=load_vocabulary('minihoi').to_dict()))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / 'w.pth')
    photos = tmp_path / 'photos'
    photos.mkdir()
    for name in ('one', 'two'):
        cv2.imwrite(str(photos / f'{name}.png'), np.full((128, 128, 3), 90, np.uint8))
    arguments = (photos, '--model', CONFIG, '--weights', 'w.pth', '--device', 'cpu', '--score-thr', '0', '--top-k', '4')
    run(*arguments, '--out-dir', 'result', '--batch-size', '2')
    assert capsys.readouterr().out.strip().endswith('8 interactions in 2 images: see result')
    assert sorted(p.name for p in Path('result/vis').iterdir()) == ['one.png', 'two.png']
    assert len(json.loads(Path('result/preds/two.json').read_text())['hois']) == 4
    run(*arguments, '--no-vis')
    assert [p.name for p in Path('out').iterdir()] == ['preds']
    run(*arguments, '--no-vis', '--attention', '--out-dir', 'seen')
    queries = [
        dict.fromkeys(hoi['query'] for hoi in json.loads(Path(f'seen/preds/{name}.json').read_text())['hois'])
        for name in ('one', 'two')
    ]
    assert sorted(p.name for p in Path('seen/attention').iterdir()) == sorted(
        f'{i:06d}_{name}_query{query}.jpg' for i, name in enumerate(('one', 'two')) for query in queries[i]
    )


def test_mistakes_are_one_sentence(run, tmp_path):
    with pytest.raises(SystemExit) as caught:
        run('photo.jpg', '--model', CONFIG, '--weights', 'gone.pth')
    assert str(caught.value) == "error: The checkpoint 'gone.pth' does not exist: give the path of an existing file."


def test_broken_images_give_an_exit_code_of_their_own(run, tmp_path, capsys):
    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(CONFIG).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'w.pth')
    (tmp_path / 'photos').mkdir()
    cv2.imwrite(str(tmp_path / 'photos' / 'good.png'), np.full((128, 128, 3), 90, np.uint8))
    (tmp_path / 'photos' / 'bad.png').write_bytes(b'no image')
    (tmp_path / 'photos' / 'circle.png').symlink_to('circle.png')
    os.mkfifo(tmp_path / 'photos' / 'pipe.png')  # reading it would wait forever
    (tmp_path / 'photos' / 'folder.png').mkdir()
    with pytest.raises(SystemExit) as caught:
        run('photos', '--model', CONFIG, '--weights', 'w.pth', '--device', 'cpu', '--no-vis')
    assert caught.value.code == 3
    printed = capsys.readouterr()
    assert "3 inputs could not be read:\n  'photos/bad.png' is no image" in printed.err and 'in 1 images' in printed.out
    assert "Image 'photos/circle.png' does not exist" in printed.err
    assert "Image 'photos/pipe.png' is no regular file" in printed.err
    for address in ('s3://bucket/a.png', 'file:///a.png', 'http://127.0.0.1:9/a.png'):
        with pytest.raises(SystemExit, match=f"^error: The address '{address}' cannot be read .+: download the image"):
            run(address, '--model', CONFIG, '--weights', 'w.pth', '--device', 'cpu')
    with pytest.raises(SystemExit) as caught:
        run('photos/bad.png', '--model', CONFIG, '--weights', 'w.pth', '--device', 'cpu')
    assert str(caught.value.code).startswith("error: 'photos/bad.png' is no image")


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--score-thr', 'nan'], 'pred_score_thr must be a finite number'),
        (['--top-k', '-1'], 'top_k must be a whole number'),
        (['--batch-size', '0'], 'batch_size must be a whole number'),
        (['--max-pixels', '0'], 'max_pixels must be a whole number'),
        (['--device', 'foo'], "The device 'foo' cannot be used here"),
    ],
)
def test_options_out_of_range(run, arguments, message):
    with pytest.raises(SystemExit, match=f'^error: {message}'):
        run('photo.jpg', '--model', CONFIG, '--weights', 'gone.pth', *arguments)


def test_a_folder_with_broken_images(run, weights, tmp_path, capsys):
    """Of 20 images, 5 cannot be read: 15 results, 5 names and the exit code 3."""
    bad = (2, 3, 11, 16, 19)
    for i in range(20):
        path = tmp_path / 'photos' / f'{i % 3}' / f'{i:02d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((40, 60, 3), 10 * i, np.uint8))
        if i in bad:
            path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(SystemExit) as caught:
        run('photos', '--recursive', '--weights', weights, '--device', 'cpu', '--no-vis', '--batch-size', '4')
    assert caught.value.code == 3
    printed = capsys.readouterr()
    assert '5 inputs could not be read:' in printed.err
    good = {f'{i:02d}' for i in range(20) if i not in bad}
    assert {path.stem for path in Path('out/preds').iterdir()} == good
    lines = printed.out.splitlines()
    assert len(lines) == 16 and ' in 15 images: see out' in lines[-1]
    assert {Path(line.partition(': ')[0]).stem for line in lines[:-1]} == good
    for i in bad:
        assert f"photos/{i % 3}/{i:02d}.png' is no image" in printed.err


def test_videos_become_videos_and_timelines(run, weights, tmp_path, capsys):
    """Beside an image, in folders where two videos have the same name; a file that is none is named at the end."""
    pytest.importorskip('trackers')
    for name in ('a/x.mp4', 'b/x.mp4'):
        (tmp_path / name).parent.mkdir()
        with new_video(tmp_path / name, 10) as video:
            for i in range(4):
                video.write(np.full((64, 96, 3), 50 * i, np.uint8))
    (tmp_path / 'a' / 'bad.mp4').write_bytes(b'no video')
    cv2.imwrite(str(tmp_path / 'b' / 'photo.png'), np.full((64, 96, 3), 90, np.uint8))
    options = ('--weights', weights, '--device', 'cpu')
    with pytest.raises(SystemExit) as caught:
        run('[ab]/*.*', *options, '--stride', '2')
    assert caught.value.code == 3
    printed = capsys.readouterr()
    assert '1 inputs could not be read:' in printed.err and "a/bad.mp4' is no video" in printed.err
    assert 'b/photo.png: ' in printed.out and ' in 1 images: see out' in printed.out
    assert ' interactions in b/x.mp4: see out/x_1.mp4, out/x_1.json, out/x_1.csv' in printed.out
    assert {path.name for path in Path('out').iterdir()} == {
        *(f'{stem}.{suffix}' for stem in ('x', 'x_1') for suffix in ('mp4', 'json', 'csv')),
        'vis',
        'preds',
    }
    with read_video('out/x.mp4') as video:
        assert [frame for frame, _, _ in video] == [0, 1]
    with pytest.raises(SystemExit, match="^error: 'a/bad.mp4' is no video"):
        run('a/bad.mp4', *options)
