import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
from PIL import Image

from genvlkt_mmdet.apis.sources import find_images, is_video, load_images, named, read_image
from genvlkt_mmdet.datasets.video_file import new_video


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two images, a folder with two more (one hidden), and a text file; the current folder is above them."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(('b.png', 'a.PNG', 'sub/a.png', 'sub/deep/c.png', 'sub/.hidden.png', '.cache/d.png')):
        path = Path('photos', name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode('.png', np.full((6 + i, 8, 3), 40 * i, np.uint8))[1].tobytes())
    Path('photos/notes.txt').write_text('../photos/b.png\n\nsub/a.png\nhttps://example.org/c.png\n')
    return Path('photos')


def test_folders(photos):
    flat = find_images(photos)
    assert flat.items == ['photos/a.PNG', 'photos/b.png'] and flat.total == 2 and not flat.alone
    deep = find_images('photos', recursive=True)
    assert deep.items == [*flat.items, 'photos/sub/a.png', 'photos/sub/deep/c.png']
    assert [name for _, name in named(deep.items)] == ['a.PNG', 'b.png', 'a_1.png', 'c.png']
    Path('empty').mkdir()
    with pytest.raises(ValueError, match=r"^Folder 'empty' holds no image \(\.jpg.+only with recursive"):
        find_images('empty')


def test_patterns_and_lists(photos):
    assert find_images('photos/*.png').items == ['photos/b.png']
    assert find_images('photos/**/*.png').items == ['photos/b.png', 'photos/sub/a.png', 'photos/sub/deep/c.png']
    assert not find_images('photos/*.png').alone  # one of a pattern, which the caller did not name
    with pytest.raises(FileNotFoundError, match=r"^No file matches 'photos/\*\.jpg': check the pattern\.$"):
        find_images('photos/*.jpg')
    Path('photos/b.png').rename('photos/b[1].png')  # a name that is also a pattern
    assert find_images('photos/b[1].png').items == ['photos/b[1].png']

    listed = find_images('photos/notes.txt')
    assert listed.items == ['photos/../photos/b.png', 'photos/sub/a.png', 'https://example.org/c.png']
    Path('none.txt').write_text('\n')
    with pytest.raises(ValueError, match=r"'none.txt' .*names no image.*one path or address per line"):
        find_images('none.txt')
    with pytest.raises(FileNotFoundError, match="'gone.txt' does not exist"):
        find_images('gone.txt')


def test_single_inputs(photos):
    array = np.zeros((4, 5, 3), np.uint8)
    for source in (photos / 'b.png', 'https://example.org/a.jpg', array, Image.new('L', (5, 4))):
        found = find_images(source)
        assert len(found.items) == 1 and found.alone and found.total == 1
    assert find_images('0').items == [0] and find_images(2).total is None
    Path('7').write_bytes(b'')  # a file comes before a camera
    assert find_images('7').items == ['7']
    several = find_images([photos / 'b.png', array, 1])
    assert several.items[::2] == ['photos/b.png', 1] and not several.alone and several.total is None
    for wrong, kind in ((None, 'NoneType'), ([3.5], 'float'), ([True], 'bool')):
        with pytest.raises(ValueError, match=f'not a {kind}'):
            find_images(wrong)


def test_an_endless_iterator_is_read_as_it_is_used():
    def endless():
        while True:
            yield np.zeros((4, 5, 3), np.uint8)

    found = find_images(endless())
    assert found.total is None and [name for _, name in islice(named(found.items), 2)] == [
        '00000000.jpg',
        '00000001.jpg',
    ]
    with pytest.raises(ValueError, match='not a float'):
        next(iter(find_images(iter([2.5])).items))


def test_names_are_unique():
    items = ['x/a.jpg', 'y/a.jpg', 'a_1.jpg', 'z/a.tif', 'a.mp4', 3, 'no_suffix']
    names = [name for _, name in named(items)]
    assert names == ['a.jpg', 'a_1.jpg', 'a_1_1.jpg', 'a_2.tif', 'a_3.jpg', 'camera_3.jpg', 'no_suffix.jpg']


def test_what_is_a_video():
    for item in ('a.mp4', Path('a.MOV'), 'https://example.org/a.webm?size=2', 'rtsp://10.0.0.7', 0):
        assert is_video(item), item
    for item in ('a.jpg', 'mp4', 'https://example.org/a.mp4.jpg', 'https://example.org', np.zeros((4, 4, 3), np.uint8)):
        assert not is_video(item), item


def test_images_of_pillow_are_upright_and_bgr():
    image = Image.new('RGBA', (6, 4), (255, 0, 0, 128))
    image.getexif()[0x0112] = 6  # the camera was turned
    (loaded,) = load_images(image, 'x.jpg')
    assert loaded.pixels.shape == (6, 4, 3) and loaded.path is None and loaded.name == 'x.jpg'
    assert (loaded.pixels == [0, 0, 255]).all()
    with pytest.raises(ValueError, match="'x.jpg' has 6 x 4 pixels, more than the 23 allowed"):
        next(load_images(image, 'x.jpg', max_pixels=23))


def test_frames_of_a_video(tmp_path):
    pytest.importorskip('av')
    with new_video(tmp_path / 'a.mp4', 10) as video:
        for i in range(7):
            video.write(np.full((32, 48, 3), 30 * i, np.uint8))
    frames = list(load_images(str(tmp_path / 'a.mp4'), 'a.jpg', stride=3))
    assert [(image.frame, image.name, image.path) for image in frames] == [
        (i, f'a_{i:06d}.jpg', str(tmp_path / 'a.mp4')) for i in (0, 3, 6)
    ]
    assert [image.time for image in frames] == pytest.approx([0, 0.3, 0.6], abs=1e-3)
    for image in frames:
        assert image.pixels.shape == (32, 48, 3) and image.pixels.mean() == pytest.approx(30 * image.frame, abs=4)
    with pytest.raises(ValueError, match=re.escape('48 x 32 pixels, more than the 1,000 allowed')):
        next(load_images(str(tmp_path / 'a.mp4'), 'a.jpg', max_pixels=1000))


def test_an_image_from_an_address(photos):
    """Served by this machine."""
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(SimpleHTTPRequestHandler, directory=str(photos)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f'http://127.0.0.1:{server.server_port}'
        (loaded,) = load_images(f'{address}/b.png', 'b.png')
        np.testing.assert_array_equal(loaded.pixels, cv2.imread('photos/b.png'))
        assert loaded.path == f'{address}/b.png'
        with pytest.raises(ValueError, match="The address '.+/gone.png' cannot be read .+404"):
            read_image(f'{address}/gone.png')
        with pytest.raises(ValueError, match="'.+/notes.txt' is no image"):
            read_image(f'{address}/notes.txt')
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
