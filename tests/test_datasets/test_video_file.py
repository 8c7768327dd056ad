"""Videos in and out: what is written is read, one frame at a time, and damaged files end in one sentence."""

import weakref
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from genvlkt_mmdet.datasets.video_file import new_video, read_video

av = pytest.importorskip('av')


def frame(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A grey image whose level tells its index, with a blue square at the top left and a red one at the bottom right."""
    pixels = np.full((height, width, 3), 40 + 2 * index, np.uint8)
    pixels[:16, :16], pixels[-16:, -16:] = (250, 0, 0), (0, 0, 250)
    return pixels


def level(pixels: np.ndarray) -> float:
    return float(pixels[:, 24:40].mean())


@pytest.fixture
def video(tmp_path) -> Path:
    path = tmp_path / 'clip.mp4'
    with new_video(path, 10.0) as writer:
        for i in range(50):
            writer.write(frame(i))
    return path


def test_what_is_written_is_read(video):
    reader = read_video(video)
    assert (reader.frame_rate, reader.num_frames, reader.width, reader.height) == (10.0, 50, 64, 48)
    frames = list(reader)
    assert [index for index, _, _ in frames] == list(range(50))
    np.testing.assert_allclose([seconds for _, seconds, _ in frames], np.arange(50) / 10, atol=1e-4)
    for index, _, pixels in frames:
        assert pixels.dtype == np.uint8 and pixels.shape == (48, 64, 3)
        assert level(pixels) == pytest.approx(40 + 2 * index, abs=2)
    # Blue first: the order of the channels is the same on both ways.
    assert frames[0][2][4:12, 4:12].mean((0, 1)) == pytest.approx([250, 0, 0], abs=12)
    assert reader.error is None and next(reader, None) is None


def test_stride_and_times(video, tmp_path):
    reader = read_video(video, stride=20)
    assert reader.num_frames == 3
    assert [(index, round(seconds, 3)) for index, seconds, _ in reader] == [(0, 0.0), (20, 2.0), (40, 4.0)]
    # Frames at uneven times, as in videos of phones.
    with new_video(tmp_path / 'uneven.mp4') as writer:
        for seconds in (0.0, 0.5, 0.54, 2.0):
            writer.write(frame(0), seconds)
    times = [seconds for _, seconds, _ in read_video(tmp_path / 'uneven.mp4')]
    np.testing.assert_allclose(times, [0.0, 0.5, 0.54, 2.0], atol=1e-4)


def test_odd_sides_get_one_more_pixel(tmp_path):
    with new_video(tmp_path / 'odd.mp4') as writer:
        writer.write(frame(3, 47, 63))
    ((_, _, pixels),) = read_video(tmp_path / 'odd.mp4')
    assert pixels.shape == (48, 64, 3) and level(pixels) == pytest.approx(46, abs=2)


def test_only_a_few_frames_are_in_memory(video):
    seen, most = [], 0
    for _, _, pixels in read_video(video):
        seen.append(weakref.ref(pixels))
        del pixels
        most = max(most, sum(each() is not None for each in seen))
    assert len(seen) == 50 and most <= 1


def encode(path: Path, container: str, frames: int = 100, **options: str) -> bytes:
    """A video of noise, so that every frame takes room in the file."""
    with av.open(str(path), 'w', format=container, options=options) as output:
        stream = output.add_stream('mpeg4', rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        for i in range(frames):
            noise = np.random.default_rng(i).integers(0, 255, (48, 64, 3), dtype=np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format='bgr24')))
        output.mux(stream.encode())
    return path.read_bytes()


@pytest.mark.parametrize(('container', 'options'), [('matroska', {}), ('mp4', dict(movflags='faststart'))])
def test_the_frames_before_a_break_are_kept(tmp_path, container, options):
    path = tmp_path / 'cut'
    content = encode(path, container, **options)
    path.write_bytes(content[: len(content) // 2])
    reader = read_video(path)
    frames = list(reader)
    assert 40 <= len(frames) <= 60 and [index for index, _, _ in frames] == list(range(len(frames)))
    assert str(path) in reader.error and 'breaks off' in reader.error and '\n' not in reader.error


def test_rotation_is_honoured(video, tmp_path):
    # The matrix of a video that a phone recorded upright: 90 degrees clockwise.
    content = bytearray(video.read_bytes())
    unit = (1 << 16).to_bytes(4, 'big')
    plain = unit + bytes(12) + unit + bytes(12) + (1 << 30).to_bytes(4, 'big')
    turned = bytes(4) + unit + bytes(4) + (-(1 << 16)).to_bytes(4, 'big', signed=True) + bytes(4 * 2)
    turned += (48 << 16).to_bytes(4, 'big') + bytes(4) + (1 << 30).to_bytes(4, 'big')
    place = content.find(plain, content.find(b'tkhd'))
    content[place : place + 36] = turned
    (tmp_path / 'turned.mp4').write_bytes(content)
    reader = read_video(tmp_path / 'turned.mp4')
    assert (reader.width, reader.height) == (48, 64)
    pixels = next(reader)[2]
    # Blue was at the top left: it is at the top right after a turn clockwise.
    assert pixels[4:12, -12:-4].mean((0, 1)) == pytest.approx([250, 0, 0], abs=12)
    assert pixels[-12:-4, 4:12].mean((0, 1)) == pytest.approx([0, 0, 250], abs=12)


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('notes.mp4', b'These are notes and no video.' * 40),
        ('empty.mp4', b''),
        ('list.m3u8', b'#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nclip.mp4\n#EXT-X-ENDLIST\n'),
        ('list.ffconcat', b'ffconcat version 1.0\nfile clip.mp4\n'),
        ('sound.wav', b'RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\x10\0\0' + bytes(999)),
    ],
)  # fmt: skip
def test_other_files_end_in_one_sentence(video, name, content):
    path = video.parent / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f'{name}.* is no video that can be decoded') as error:
        read_video(path)
    assert '\n' not in str(error.value)


def test_mistakes_end_in_one_sentence(video, tmp_path):
    content = video.read_bytes()
    (tmp_path / 'cut.mp4').write_bytes(content[: len(content) // 2])  # its index would be at the end
    for source, kind, message in (
        (tmp_path / 'cut.mp4', ValueError, 'damaged'),
        (tmp_path / 'no.mp4', FileNotFoundError, 'does not exist'),
        (tmp_path, FileNotFoundError, 'is a folder'),
        ('rtsp://me:secret@127.0.0.1:9/live', ValueError, "'rtsp://127.0.0.1:9/live' cannot be opened"),
        (99, ValueError, 'camera 99'),
        ('99', ValueError, 'camera 99'),
    ):
        with pytest.raises(kind, match=message):
            read_video(source)
    with pytest.raises(ValueError, match='64 x 48 pixels, more than the 3,000 allowed'):
        read_video(video, max_pixels=3000)
    for stride in (0, True, 1.5):
        with pytest.raises(ValueError, match='stride must be a whole number of at least 1'):
            read_video(video, stride)


def test_a_failed_writing_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError, match='from the block'), new_video(tmp_path / 'out.mp4') as writer:
        writer.write(frame(0))
        raise RuntimeError('from the block')
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match='frame_rate'), new_video(tmp_path / 'out.mp4', 0):
        pass
