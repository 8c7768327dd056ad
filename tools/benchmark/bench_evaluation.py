"""Times a HICO-DET evaluation from a results file at full size: reading, then Default and Known Object.

The data are synthetic: as many images and triplets as the HICO-DET test set has, classes with a long tail, and half of the
detections near the ground truth. Each measurement is a fresh process, and the forms of the file take turns. Processor seconds
depend less on other load than wall-clock seconds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from genvlkt_mmdet.evaluation import evaluate_detections, load_detections
from genvlkt_mmdet.evaluation.io import write_results
from genvlkt_mmdet.structures import GroundTruth, Triplets
from genvlkt_mmdet.vocabulary import load_vocabulary

FORMS = ('json', 'npz')


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=int, default=9658, help='images of the split')
    parser.add_argument('--per-image', type=int, default=100, help='detections per image')
    parser.add_argument('--repeats', type=int, default=3, help='processes for each form of the file')
    parser.add_argument('--out', type=Path, help='JSON file that gets the table, in place of an older one')
    parser.add_argument('--measure', nargs=2, metavar=('FOLDER', 'FORM'), help=argparse.SUPPRESS)
    return parser.parse_args()


def make_data(num_images: int, per_image: int, num_classes: int, seed: int = 0) -> tuple[Triplets, Triplets]:
    """Ground truth and detections.

    Args:
        num_images (int): Number of images.
        per_image (int): Number of detections per image.
        num_classes (int): Number of classes.
        seed (int): Seed of the random numbers.

    Returns:
        tuple[Triplets, Triplets]: Ground truth, 3.5 triplets per image on average, and detections.
    """
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, num_classes + 1)
    frequency = rng.permutation(frequency / frequency.sum())

    def boxes(n: int) -> np.ndarray:
        corner = rng.uniform(0, 400, (n, 2))
        return np.concatenate([corner, corner + rng.uniform(20, 240, (n, 2))], axis=1)

    # In the test set an image has two classes on average, and a class 1.7 triplets in an image, with a long tail
    # (crowds): a triplet shares image and class with six others on average.
    images = np.repeat(np.arange(num_images), 1 + rng.poisson(1.07, num_images))
    labels = rng.choice(num_classes, len(images), p=frequency)
    size = np.where(rng.random(len(images)) < 0.12, 2 + rng.exponential(5.0, len(images)).astype(int), 1)
    images, labels = np.repeat(images, size), np.repeat(labels, size)
    n = len(images)
    gts = Triplets(images, boxes(n), boxes(n), labels)
    images = np.repeat(np.arange(num_images), per_image)
    n = len(images)
    dets = Triplets(images, boxes(n), boxes(n), rng.choice(num_classes, n, p=frequency), rng.random(n))
    # half of the detections stand near a triplet of their image, most of them with its class
    first = np.searchsorted(gts.images, images)
    number = np.searchsorted(gts.images, images, side='right') - first
    near = np.flatnonzero((rng.random(n) < 0.5) & (number > 0))
    target = first[near] + (rng.random(len(near)) * number[near]).astype(np.int64)
    for mine, theirs in ((dets.human_boxes, gts.human_boxes), (dets.object_boxes, gts.object_boxes)):
        mine[near] = theirs[target] + rng.normal(0, 8, (len(near), 4))
    same = rng.random(len(near)) < 0.8
    dets.labels[near[same]] = gts.labels[target[same]]
    return gts, dets


def split(triplets: Triplets, num_images: int) -> list[Triplets]:
    """The triplets of each image."""
    bounds = np.searchsorted(triplets.images, np.arange(num_images + 1))
    return [triplets[start:stop] for start, stop in zip(bounds, bounds[1:])]


def write_files(folder: Path, num_images: int, per_image: int) -> tuple[int, int]:
    """Writes annotations and detections; returns the numbers of both."""
    gts, dets = make_data(num_images, per_image, load_vocabulary('hico').num_hois)
    np.savez(folder / 'annotations.npz', num_images=num_images, **{k: v for k, v in vars(gts).items() if v is not None})
    # A metric writes 32-bit numbers.
    parts = [
        dict(
            file_name=f'image_{i:08d}.jpg',
            human_boxes=part.human_boxes.astype(np.float32),
            object_boxes=part.object_boxes.astype(np.float32),
            labels=part.labels,
            scores=part.detection_scores.astype(np.float32),
        )
        for i, part in enumerate(split(dets, num_images))
    ]
    for form in FORMS:
        write_results(folder / f'results.{form}', parts)
    return len(gts), len(dets)


def measure(folder: Path, form: str) -> dict[str, float]:
    """Reads a results file and evaluates it, once in a process; returns the figures."""
    content = dict(np.load(folder / 'annotations.npz'))
    num_images, gts = int(content.pop('num_images')), Triplets(**content)
    images = [
        dict(file_name=f'image_{i:08d}.jpg', img_id=i, eval_gt=GroundTruth(part))
        for i, part in enumerate(split(gts, num_images))
    ]
    before = peak_mib()
    clock = [(time.perf_counter(), time.process_time())]

    def stop() -> None:
        clock.append((time.perf_counter(), time.process_time()))

    detections = load_detections(folder / f'results.{form}', images, 'hico')
    stop()
    summary = evaluate_detections(detections, images, 'hico')
    stop()
    figures = dict(before_mib=before, peak_mib=peak_mib(), map=summary['default']['full'])
    for name, (start, end) in dict(load=(0, 1), evaluate=(1, 2), both=(0, 2)).items():
        figures[f'{name}_seconds'] = clock[end][0] - clock[start][0]
        figures[f'{name}_cpu_seconds'] = clock[end][1] - clock[start][1]
    return figures


def peak_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    # Not `getrusage`, which counts the process that started this one.
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) / 1024


def main() -> None:
    """Entry point."""
    args = parse_args()
    if args.measure:
        print(json.dumps(measure(Path(args.measure[0]), args.measure[1])))
        return
    import common  # not at the top: the processes that are measured do without

    runs: dict[str, list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        num_gts, num_dets = write_files(Path(folder), args.images, args.per_image)
        sizes = {form: (Path(folder) / f'results.{form}').stat().st_size / 2**20 for form in FORMS}
        for _ in range(args.repeats):
            for form in FORMS:
                command = [sys.executable, __file__, '--measure', folder, form]
                runs[form].append(json.loads(subprocess.check_output(command, text=True).splitlines()[-1]))
    results = {
        form: {key: statistics.median(run[key] for run in own) for key in own[0]} | dict(file_mib=sizes[form])
        for form, own in runs.items()
    }
    title = f'{num_dets} detections in {args.images} images, {num_gts} annotated triplets; medians of {args.repeats}'
    header = ['file', 'MiB', 'load s', 'evaluate s', 'both s', 'both, CPU s', 'peak MiB', 'above the imports']
    rows = [
        [
            form,
            f'{own["file_mib"]:.0f}',
            *(f'{own[f"{name}_seconds"]:.2f}' for name in ('load', 'evaluate', 'both')),
            f'{own["both_cpu_seconds"]:.2f}',
            f'{own["peak_mib"]:.0f}',
            f'{own["peak_mib"] - own["before_mib"]:.0f}',
        ]
        for form, own in results.items()
    ]
    common.finish('evaluation', args, own_tables=[(title, header, rows)])


if __name__ == '__main__':
    main()
