"""Measures a MiniHOI model on rendered videos: F1 of its timelines with and without smoothing, and ID switches."""

import argparse

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.engine import command, in_range
from genvlkt_mmdet.minihoi import evaluate_on_videos, video_table


@command(OSError, ValueError)
def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', help='config file or name of a shipped config (default: the one in the checkpoint)')
    parser.add_argument('--weights', required=True, help='checkpoint file')
    parser.add_argument('--folder', default='data/minihoi_videos', help='folder for the videos (default: %(default)s)')
    parser.add_argument('--videos', type=in_range(int, 1, 10_000), default=20, help='default: %(default)s')
    parser.add_argument('--seed', type=in_range(int, 0, 2**32 - 1), default=0, help='seed of the videos')
    parser.add_argument('--stride', type=in_range(int, 1, 1000), default=1, help='look at every STRIDEth frame')
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the best available)')
    args = parser.parse_args()
    inferencer = HOIInferencer(args.model, args.weights, device=args.device)
    print(video_table(evaluate_on_videos(inferencer, args.folder, args.videos, args.seed, stride=args.stride)))


if __name__ == '__main__':
    main()
