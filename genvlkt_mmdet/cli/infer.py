"""Detects human-object interactions in images and videos, draws them and writes them as JSON.

Examples:
    genvlkt infer photos/ --weights gen_vlkt_s_hico.pth --out-dir out
    genvlkt infer 'photos/**/*.jpg' --model configs/gen_vlkt_s_hico.py --weights gen_vlkt_s_hico.pth --top-k 5
    genvlkt infer photos/ --weights gen_vlkt_s_hico.pth --vocabulary phrases.txt

Exit codes: 0: all images are done. 1: error. 2: wrong command line. 3: some images could not be read, all others are done.
"""

import argparse
import sys

from ..apis import HOIInferencer
from ..apis.hoi_inferencer import check_options
from ..datasets.image_file import MAX_PIXELS
from ..engine import add_optimization_arguments, command
from ..visualization import DEFAULT_SCORE_THR


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument(
        'source',
        help='image or video file, its address (https://, rtsp://), folder of images, quoted pattern, text file with a path or '
        'address per line, or index of a camera',
    )
    parser.add_argument('--recursive', action='store_true', help='search the subfolders of a folder as well')
    parser.add_argument(
        '--stride', type=int, default=1, metavar='N', help='take every N-th frame of videos (default: %(default)s)'
    )
    parser.add_argument(
        '--model', help='config file or name of a shipped config (default: the config in the checkpoint)'
    )
    parser.add_argument(
        '--weights', help='checkpoint file (default, without --model: the shipped model for images of MiniHOI)'
    )
    parser.add_argument(
        '--trust-config',
        action='store_true',
        help="without --model: run the checkpoint's config as Python and import the modules that it names, instead of reading it "
        'as data. The author of the checkpoint can then run any code on this machine: use it only for files you trust',
    )
    parser.add_argument(
        '--vocabulary',
        metavar='FILE',
        help='text file with the interactions to detect instead of those of the training, one phrase or `verb, object` per line',
    )
    parser.add_argument('--out-dir', default='out', help='folder for vis/ (drawings) and preds/ (JSON) (default: out)')
    parser.add_argument(
        '--score-thr',
        type=float,
        default=DEFAULT_SCORE_THR,
        help='keep triplets with a higher score, in [0, 2] (default: %(default)s)',
    )
    parser.add_argument(
        '--top-k', type=int, help='maximum number of triplets per image, highest score first (default: no limit)'
    )
    parser.add_argument('--batch-size', type=int, default=1, help='number of images per batch (default: %(default)s)')
    parser.add_argument(
        '--max-pixels', type=int, default=MAX_PIXELS, help='do not decode larger images (default: %(default)s pixels)'
    )
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the best available)')
    add_optimization_arguments(parser, dtype='auto')
    parser.add_argument('--no-vis', action='store_true', help='write only JSON')


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Detects as the command line says."""
    options = dict(
        batch_size=args.batch_size,
        pred_score_thr=args.score_thr,
        top_k=args.top_k,
        max_pixels=args.max_pixels,
        stride=args.stride,
    )
    check_options(**options)  # before the model is loaded
    if not (args.model or args.weights):
        print(
            'Using the shipped model, which knows the rendered images of MiniHOI only. For photographs, give --weights.'
        )
    inferencer = HOIInferencer(
        args.model,
        args.weights,
        device=args.device,
        vocabulary=args.vocabulary,
        trust_config=args.trust_config,
        optimize=args.optimize,
        dtype=args.dtype,
        compile=args.compile,
    )
    broken: list[dict[str, str]] = []
    images = found = 0
    for result in inferencer.stream(
        args.source, recursive=args.recursive, broken=broken, out_dir=args.out_dir, no_save_vis=args.no_vis, **options
    ):
        print(result)
        images, found = images + 1, found + len(result)
    print(f'{found} interactions in {images} images: see {args.out_dir}')
    if broken:
        print(f'{len(broken)} inputs could not be read:', file=sys.stderr)
        for item in broken:
            print(f'  {item["error"]}', file=sys.stderr)
        sys.exit(3)
