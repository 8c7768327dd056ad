"""Reads videos, cameras and streams frame by frame, and writes videos, with PyAV (the extra ``video``)."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.logging import print_log

from ..files import new_file
from .image_file import MAX_PIXELS

VIDEO_EXTENSIONS = (
    '.mp4',
    '.m4v',
    '.mov',
    '.mkv',
    '.webm',
    '.avi',
    '.mpg',
    '.mpeg',
    '.ts',
    '.wmv',
    '.flv',
    '.ogv',
    '.3gp',
)
"""Endings of file names by which a folder's videos are told from its images."""

_ADDRESS = re.compile(r'(rtsps?|rtmps?|https?)://', re.IGNORECASE)
# Containers of video. A file of a stranger can also be a list of other files (hls, concat), which are not opened.
_FILE_OPTIONS = {
    'format_whitelist': 'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,gif,h264,hevc,m4v,ivf,mxf',
    'protocol_whitelist': 'file',
}
_ADDRESS_OPTIONS = {
    'protocol_whitelist': 'rtsp,rtsps,rtp,srtp,udp,rtmp,rtmps,http,https,httpproxy,tcp,tls,crypto',
    'rtsp_transport': 'tcp',
}
_SECONDS_TO_ANSWER = 15.0
_HIGHEST_RATE = 1000.0  # frames per second; more stands only in damaged headers
_CLOCK = Fraction(1, 90000)  # the usual time unit of MPEG


class VideoReader(Iterator[tuple[int, float, np.ndarray]]):
    """The frames of a video file, camera or stream, one at a time: see :func:`read_video`, which opens it.

    Attributes:
        source (str): The file, camera or address, without the password of an address.
        frame_rate (float): Frames per second of the video, before ``stride``. 25 if the video does not say.
        num_frames (int | None): Number of frames to expect, after ``stride``, from the header. None: unknown.
        width (int): Width of the frames in pixels.
        height (int): Height of the frames in pixels.
        error (str | None): Why the video broke off before its end. None: it did not, so far.
    """

    def __init__(self, source: str | Path | int, stride: int = 1, max_pixels: int = MAX_PIXELS) -> None:
        if isinstance(stride, bool) or not isinstance(stride, (int, np.integer)) or stride < 1:
            raise ValueError(f'stride must be a whole number of at least 1, not {stride!r}.')
        if isinstance(source, str) and source.isdecimal() and not os.path.exists(source):
            source = int(source)
        self.source = _shown(source)
        self.error: str | None = None
        self._stride, self._max_pixels = stride, max_pixels
        self._container = _open(source, self.source)
        try:
            stream = self._stream()
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            self.frame_rate = rate if 0 < rate <= _HIGHEST_RATE else 25.0
            self.num_frames = -(-stream.frames // stride) if stream.frames else None
            self._start = stream.start_time
            self._frames = self._decode(stream)
            # The first frame is decoded at once, so that a file without one fails before anything else is done.
            self._next = next(self._frames, None)
            if self._next is None:
                raise ValueError(
                    f"'{self.source}' has no frame that can be decoded: it is damaged, or of an unknown kind."
                )
        except BaseException:
            self.close()
            raise
        self.height, self.width = self._next[2].shape[:2]

    def __iter__(self) -> 'VideoReader':
        return self

    def __next__(self) -> tuple[int, float, np.ndarray]:
        if self._next is not None:
            frame, self._next = self._next, None
            return frame
        return next(self._frames)

    def __enter__(self) -> 'VideoReader':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file or the connection. Happens by itself after the last frame."""
        self._container.close()

    def _stream(self) -> Any:
        if not self._container.streams.video:
            raise ValueError(f"'{self.source}' has no video in it: give a video file.")
        stream = self._container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise ValueError(f"'{self.source}' is coded in a way that this build of FFmpeg cannot decode.")
        self._check_size(context.width, context.height)
        stream.thread_type = 'AUTO'
        return stream

    def _decode(self, stream: Any) -> Iterator[tuple[int, float, np.ndarray]]:
        import av

        size: dict[str, int] = {}
        index, seconds = 0, 0.0
        try:
            for frame in self._container.decode(stream):
                seconds = self._seconds(frame, index)
                if index % self._stride == 0:
                    if not size:
                        self._check_size(frame.width, frame.height)
                        size = dict(width=frame.width, height=frame.height)
                    # A stream can change its size on the way. All frames get the size of the first one.
                    pixels = _upright(frame.to_ndarray(format='bgr24', **size), frame.rotation)
                    yield index, seconds, pixels
                index += 1
            promised = self._duration(stream)
            if (
                index and seconds + 1 < 0.95 * promised
            ):  # most kinds of files end without an error where they are cut off
                self._broke_off(f'at {seconds:.1f} of {promised:.1f} seconds')
        except (av.FFmpegError, OSError) as error:
            if index == 0:
                raise ValueError(
                    f"'{self.source}' has no frame that can be decoded ({_reason(error)}): it is damaged."
                ) from None
            self._broke_off(f'at {seconds:.1f} seconds, {_reason(error)}')
        finally:
            self.close()

    def _duration(self, stream: Any) -> float:
        """Seconds of the video as the header has it. 0: it says nothing."""
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return (self._container.duration or 0) / 1e6

    def _broke_off(self, where: str) -> None:
        self.error = f"'{self.source}' breaks off ({where}): the frames before are used."
        print_log(self.error, 'current', logging.WARNING)

    def _seconds(self, frame: Any, index: int) -> float:
        if frame.pts is None or frame.time_base is None:
            return index / self.frame_rate
        if self._start is None:
            self._start = frame.pts
        return max(0.0, float((frame.pts - self._start) * frame.time_base))

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise ValueError(
                f"Video '{self.source}' has frames of {width} x {height} pixels, more than the {self._max_pixels:,} allowed: "
                'make it smaller, or raise max_pixels.'
            )


def read_video(source: str | Path | int, stride: int = 1, max_pixels: int = MAX_PIXELS) -> VideoReader:
    """Opens a video file, a camera or a stream, and reads it frame by frame.

    Only a few frames are in memory at a time, whatever the length. Frames are turned upright as the file says (videos of
    phones). If a video breaks off, the frames before are kept: the reader logs a warning, ends, and has the reason in ``error``.

    Args:
        source (str | Path | int): Video file; index of a camera, from 0 (Linux and macOS); or address that starts with ``rtsp://``,
            ``rtmp://``, ``http://`` or ``https://``.
        stride (int): Every how many frames one is returned. All are decoded. Default: 1.
        max_pixels (int): Maximum width times height of a frame.

    Returns:
        VideoReader: Iterator of (index of the frame in the video, from 0; its time in seconds; (H, W, 3) uint8 BGR array). It
        closes itself after the last frame, and at the end of a ``with`` block.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a video, is damaged before the first frame, is too large, or does not answer.
        ModuleNotFoundError: If PyAV is not installed.
    """
    return VideoReader(source, stride, max_pixels)


class VideoWriter:
    """Writes frames to an MP4 file: H.264, or MPEG-4 if PyAV was built without an encoder for H.264.

    Made by :func:`new_video`. The size is that of the first frame. An odd side gets one more row or column, because the format
    needs even ones.

    Args:
        container (av.container.OutputContainer): Where the frames go.
        frame_rate (float): Frames per second.
    """

    def __init__(self, container: Any, frame_rate: float) -> None:
        self._container = container
        self._rate = Fraction(frame_rate).limit_denominator(1001)
        self._stream: Any = None
        self._last = -1

    def write(self, pixels: np.ndarray, seconds: float | None = None) -> None:
        """Adds a frame.

        Args:
            pixels (np.ndarray): (H, W, 3) uint8 BGR.
            seconds (float, optional): Its time. None: one step of the frame rate after the previous frame.
        """
        import av

        if self._stream is None:
            self._stream = self._new_stream(*pixels.shape[:2])
        bottom, right = self._stream.height - pixels.shape[0], self._stream.width - pixels.shape[1]
        if bottom or right:
            pixels = cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        # Not FFmpeg's own conversion, whose default rounds all colours down.
        frame = av.VideoFrame.from_ndarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420), format='yuv420p')
        step = round(1 / self._rate / _CLOCK)
        pts = self._last + step if seconds is None else round(seconds / _CLOCK)
        if self._last < 0 and seconds is None:
            pts = 0
        frame.pts = self._last = max(pts, self._last + 1)
        frame.time_base = _CLOCK
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Writes the frames that the encoder holds. :func:`new_video` calls it."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())

    def _new_stream(self, height: int, width: int) -> Any:
        import av

        fast = 'libx264' in av.codecs_available
        stream = self._container.add_stream('libx264' if fast else 'mpeg4', rate=self._rate)
        stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, 'yuv420p'
        if fast:
            stream.codec_context.time_base = _CLOCK
            stream.options = dict(preset='veryfast', crf='20')
        else:
            stream.codec_context.time_base = Fraction(1, 1000)  # MPEG-4 has no finer time than 1 / 65,535 seconds
            stream.bit_rate = 4 * width * height
        return stream


@contextmanager
def new_video(path: str | Path, frame_rate: float = 25.0) -> Iterator[VideoWriter]:
    """Opens a video file for writing. Afterwards it is either complete or absent, see :func:`~genvlkt_mmdet.files.new_file`.

    Args:
        path (str | Path): The MP4 file.
        frame_rate (float): Frames per second, above 0. Default: 25.

    Yields:
        VideoWriter: Its ``write`` adds a frame. At least one is needed.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If the frame rate is not above 0.
        ModuleNotFoundError: If PyAV is not installed.
    """
    av = _import_av()
    if not 0 < frame_rate <= _HIGHEST_RATE:
        raise ValueError(f'frame_rate must be above 0 and at most {_HIGHEST_RATE:g}, not {frame_rate!r}.')
    with new_file(path) as file, av.open(file, 'w', format='mp4') as container:
        writer = VideoWriter(container, frame_rate)
        yield writer
        writer.finish()


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ModuleNotFoundError(f'Videos need PyAV ({error}): pip install "genvlkt[video]".') from error
    return av


def _open(source: str | Path | int, shown: str) -> Any:
    """Opens the container of a file, camera or address. Errors are one sentence."""
    av = _import_av()
    timeout = None
    if isinstance(source, int):
        devices = {'linux': ('v4l2', f'/dev/video{source}'), 'darwin': ('avfoundation', str(source))}
        if sys.platform not in devices:
            raise ValueError(f'{shown} cannot be opened by its number on {sys.platform}: give the address of a stream.')
        kind, name = devices[sys.platform]
        options = {}
    elif _ADDRESS.match(str(source)):
        kind, name, options, timeout = None, str(source), _ADDRESS_OPTIONS, _SECONDS_TO_ANSWER
    else:
        if not os.path.isfile(source):
            what = 'is a folder: give a video file' if os.path.isdir(source) else 'does not exist: check its path'
            raise FileNotFoundError(f"Video '{shown}' {what}.")
        # With the prefix, no part of the name is read as a protocol.
        kind, name, options = None, f'file:{source}', _FILE_OPTIONS
    try:
        return av.open(name, format=kind, container_options=options, timeout=timeout, metadata_errors='replace')
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(source, int) or _ADDRESS.match(str(source)):
            raise ValueError(
                f"'{shown}' cannot be opened ({_reason(error)}): check that it is there and free."
            ) from None
        raise ValueError(
            f"'{shown}' is no video that can be decoded ({_reason(error)}): it is damaged, or another kind of file."
        ) from None


def _shown(source: str | Path | int) -> str:
    """The source as messages name it."""
    if isinstance(source, int):
        return f'camera {source}'
    text = str(source)
    return re.sub(r'//[^/@]*@', '//', text) if _ADDRESS.match(text) else text


def _reason(error: Exception) -> str:
    return getattr(error, 'strerror', None) or (str(error).splitlines() or [type(error).__name__])[0]


def _upright(pixels: np.ndarray, degrees: int) -> np.ndarray:
    """Turns an image counterclockwise by a multiple of 90 degrees. Other angles are left."""
    turns = round(degrees / 90) % 4 if degrees % 90 == 0 else 0
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
