"""Times the drawing of pairs on video frames, without model, decoding and encoding."""

import argparse
import json
import statistics
import time

import common
import cv2
import numpy as np

from genvlkt_mmdet.engine import command, in_range
from genvlkt_mmdet.text_table import text_table
from genvlkt_mmdet.visualization.drawn_pairs import DrawnPair
from genvlkt_mmdet.visualization.frame_drawing import draw_frame

PHRASES = ('person riding a horse', 'person holding an umbrella', 'person feeding a horse', 'person walking a dog')


def pairs_at(frame: int, number: int, height: int, width: int) -> list[DrawnPair]:
    """Pairs that move and change their interactions: every second frame one of them has another label."""
    rng = np.random.default_rng(0)
    pairs = []
    for i in range(number):
        x, y = rng.uniform(0, 0.8 * width), rng.uniform(0, 0.6 * height)
        x += 0.02 * width * np.sin(frame / 10 + i)
        human = np.array([x, y, x + 0.1 * width, y + 0.35 * height])
        lines = PHRASES[i % 4 :][: 1 + (frame // 2 + i) % 2]
        pairs.append(
            DrawnPair(human, human + [0.05 * width, 0.1 * height, 0.1 * width, 0.1 * height], dict.fromkeys(lines), i)
        )
    return pairs


@command(OSError, ValueError)
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=common.size, default=(720, 1280), help='height x width (default: 720x1280)')
    parser.add_argument('--pairs', nargs='+', type=in_range(int, 0, 1000), default=[1, 4, 30], help='pairs per frame')
    parser.add_argument('--frames', type=in_range(int, 1, 100_000), default=200, help='default: %(default)s')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    height, width = args.size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    rows = {}
    for number in args.pairs:
        scenes = [pairs_at(frame, number, height, width) for frame in range(args.frames)]
        seconds = []
        for scene in scenes:
            start = time.perf_counter()
            draw_frame(noise, scene)
            seconds.append(time.perf_counter() - start)
        rows[number] = dict(median=1 / statistics.median(seconds), slowest=1 / max(seconds))
    table = [[str(number), *(f'{value:.0f}' for value in rates.values())] for number, rates in rows.items()]
    print(f'{width} x {height} pixels, {args.frames} frames, one thread')
    print(text_table(['Pairs', 'Frames per second (median)', 'Slowest frame'], table))
    print(json.dumps(rows))


if __name__ == '__main__':
    main()
