"""Detects human-object interactions in images and videos, draws them and writes them as JSON, or many images as Parquet.

Examples:
    genvlkt infer photos/ --weights gen_vlkt_s_hico.pth --out-dir out
    genvlkt infer 'photos/**/*.jpg' --model configs/gen_vlkt_s_hico.py --weights gen_vlkt_s_hico.pth --top-k 5
    genvlkt infer photos/ --weights gen_vlkt_s_hico.pth --vocabulary phrases.txt
    genvlkt infer street.mp4 --weights gen_vlkt_s_hico.pth --stride 5
    genvlkt infer photos/ shards/ --weights gen_vlkt_s_hico.pth --out rows/ --engine ray

Written for an image: vis/<name> (drawing) and preds/<name>.json. For a video: <name>.mp4 (drawings), <name>.json and <name>.csv
(timeline). With --out: Parquet files with one row per image or frame (docs/scale.md), and nothing else. Started again, it goes on
where it was. Under torchrun, each process takes its share.

Exit codes: 0: all is done. 1: error. 2: wrong command line. 3: some inputs could not be read, all others are done.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from ..apis import HOIInferencer, HOIResult, attend
from ..apis.hoi_inferencer import check_options
from ..apis.sources import ImageInput, find_images, is_video, named
from ..datasets.image_file import MAX_PIXELS, write_image
from ..engine import command
from ..scale import Summary, detect_rows
from ..scale.job import ENGINES
from ..video import Smoothing, detect_video
from ..visualization import DEFAULT_SCORE_THR
from .model_options import add_model, load_model, model_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument(
        'source',
        nargs='+',
        help='image or video file, its address (https://, rtsp://), folder of images, quoted pattern, text file with a path or '
        'address per line, or index of a camera; with --out also tar and Parquet files of images, and several of all these',
    )
    parser.add_argument('--recursive', action='store_true', help='search the subfolders of a folder as well')
    parser.add_argument(
        '--stride', type=int, default=1, metavar='N', help='take every N-th frame of videos (default: %(default)s)'
    )
    add_model(parser)
    parser.add_argument('--out-dir', default='out', help='folder for the results (default: out)')
    parser.add_argument(
        '--score-thr',
        type=float,
        help='keep triplets with a higher score, 0 to 2; in videos, an interaction begins at this score '
        f'(default: {DEFAULT_SCORE_THR}, in videos {1 + Smoothing().begin})',
    )
    parser.add_argument(
        '--top-k',
        type=int,
        help='maximum number of triplets per image, highest score first; not for videos (default: no limit)',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='number of images per batch (default: %(default)s)')
    parser.add_argument(
        '--max-pixels', type=int, default=MAX_PIXELS, help='do not decode larger images (default: %(default)s pixels)'
    )
    parser.add_argument(
        '--attention',
        action='store_true',
        help='also draw where the model looks for each pair of an image, in attention/',
    )
    parser.add_argument('--no-vis', action='store_true', help='write only JSON')
    rows = parser.add_argument_group('many images')
    rows.add_argument(
        '--out', metavar='FOLDER', help='folder or address (s3://...) for Parquet files, in place of drawings and JSON'
    )
    rows.add_argument(
        '--engine',
        choices=ENGINES,
        default='serial',
        help='serial: this process. ray: one model per actor of Ray Data (default: %(default)s)',
    )
    rows.add_argument('--workers', type=int, metavar='N', help='actors of Ray (default: one per GPU, or else per CPU)')
    rows.add_argument(
        '--rows-per-file', type=int, default=1000, metavar='N', help='rows per Parquet file (default: %(default)s)'
    )
    rows.add_argument('--column', help='column of the images in Parquet files (default: by type and name)')


@command(OSError, ValueError, ImportError)
def run(args: argparse.Namespace) -> None:
    """Detects as the command line says."""
    options = dict(
        batch_size=args.batch_size,
        pred_score_thr=DEFAULT_SCORE_THR if args.score_thr is None else args.score_thr,
        top_k=args.top_k,
        max_pixels=args.max_pixels,
        stride=args.stride,
    )
    if args.out:
        _write_rows(args, options)
        return
    if args.engine != 'serial':
        raise ValueError(f'--engine {args.engine} needs --out: it writes Parquet files.')
    check_options(**options)  # before the model is loaded
    inferencer = load_model(args)
    source = find_images(args.source[0] if len(args.source) == 1 else args.source, args.recursive)
    videos = [item for item in source.items if is_video(item)]
    images = [item for item in source.items if not is_video(item)]
    broken: list[dict[str, str]] = []
    if images:
        found = []
        # An iterator, unless the user named one image: then it is an error if that cannot be read.
        for result in inferencer.stream(
            images if source.alone else iter(images),
            broken=broken,
            out_dir=args.out_dir,
            no_save_vis=args.no_vis,
            **options,
        ):
            print(result)
            if args.attention and result:
                _write_attention(inferencer, result, args, len(found))
            found.append(len(result))
        print(f'{sum(found)} interactions in {len(found)} images: see {args.out_dir}')
    for video, name in named(videos):
        try:
            _infer_video(inferencer, video, Path(name).stem, args, broken)
        except (OSError, ValueError) as error:
            if source.alone:
                raise
            broken.append(dict(image=str(video), error=str(error)))
    if broken:
        print(f'{len(broken)} inputs could not be read:', file=sys.stderr)
        for item in broken:
            print(f'  {item["error"]}', file=sys.stderr)
        sys.exit(3)


def _write_rows(args: argparse.Namespace, options: dict[str, Any]) -> None:
    """Writes a row per image to Parquet files."""
    if args.attention or args.no_vis:
        raise ValueError('--out writes Parquet files only: leave --attention and --no-vis out.')
    shown = time.monotonic()

    def progress(summary: Summary) -> None:
        nonlocal shown
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(f'{summary.rows} rows, {summary.errors} of them with an error', flush=True)

    summary = detect_rows(
        args.source,
        args.out,
        model_arguments(args),
        engine=args.engine,
        workers=args.workers,
        rows_per_file=args.rows_per_file,
        column=args.column,
        recursive=args.recursive,
        progress=progress,
        **options,
    )
    there = f'{summary.existing} images and {summary.complete} archives or videos were there already'
    print(f'{summary.rows} rows computed, {summary.errors} of them with an error; {there}: see {args.out}')
    if summary.errors:
        sys.exit(3)


def _write_attention(inferencer: HOIInferencer, result: HOIResult, args: argparse.Namespace, number: int) -> None:
    """Writes where the model looks for each pair of an image, which runs through the network once more."""
    score_thr = DEFAULT_SCORE_THR if args.score_thr is None else args.score_thr
    attended = attend(inferencer, result.pixels, score_thr, args.top_k, args.max_pixels)
    for query in attended.queries:
        name = f'{number:06d}_{Path(result.image or "image").stem}_query{query}.jpg'
        write_image(Path(args.out_dir, 'attention', name), attended.draw(query)[..., ::-1])


def _infer_video(
    inferencer: HOIInferencer, video: ImageInput, name: str, args: argparse.Namespace, broken: list[dict[str, str]]
) -> None:
    """Writes the annotated video and the timeline of a video, and prints the timeline."""
    smoothing = None
    if args.score_thr is not None:
        smoothing = Smoothing.at_score(args.score_thr)
    result = detect_video(
        inferencer,
        video,
        args.out_dir,
        stride=args.stride,
        smoothing=smoothing,
        batch_size=args.batch_size,
        save_video=not args.no_vis,
        max_pixels=args.max_pixels,
        name=name,
    )
    intervals = result.timeline.intervals
    for each in intervals:
        print(f'{each.from_seconds:.2f} to {each.to_seconds:.2f} s: {each.phrase} {each.confidence:.2f}')
    print(f'{len(intervals)} interactions in {video}: see {", ".join(map(str, result.files))}')
    if result.error:
        broken.append(dict(image=str(video), error=result.error))
