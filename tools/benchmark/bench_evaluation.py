"""Times the HICO-DET evaluation and the reading of a results file at full size.

The data are synthetic: as many images and triplets as the HICO-DET test set has, classes with a long tail, and half of the
detections near the ground truth. It prints wall-clock seconds and processor seconds; the latter depend less on other load.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from genvlkt_mmdet.evaluation.functional import evaluate_hico, known_object_images
from genvlkt_mmdet.evaluation.io import read_results, write_results
from genvlkt_mmdet.structures import Triplets
from genvlkt_mmdet.vocabulary import load_vocabulary


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=int, default=9658, help='images of the split')
    parser.add_argument('--per-image', type=int, default=100, help='detections per image')
    parser.add_argument('--no-file', action='store_true', help='do not time the reading of a results file')
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


def peak_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Clock:
    """Wall-clock and processor seconds from its creation to the first reading."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()
        self._seconds: tuple[float, float] | None = None

    def read(self, prefix: str) -> dict[str, float]:
        """Returns both numbers, with a prefix before their names."""
        if self._seconds is None:
            self._seconds = time.perf_counter() - self._start[0], time.process_time() - self._start[1]
        return {f'{prefix}seconds': self._seconds[0], f'{prefix}cpu_seconds': self._seconds[1]}

    def __str__(self) -> str:
        seconds, cpu = self.read('').values()
        return f'{seconds:8.2f} s ({cpu:.2f} s of processor)'


def write_file(path: Path, dets: Triplets, num_images: int) -> list[dict]:
    """Writes detections to a results file; returns the images."""
    images = [dict(file_name=f'image_{i:08d}.jpg', img_id=i) for i in range(num_images)]
    bounds = np.searchsorted(dets.images, np.arange(num_images + 1))
    keys = ('human_boxes', 'object_boxes', 'labels', 'scores')
    write_results(
        path,
        (
            dict(image, **{key: getattr(dets, key)[bounds[i] : bounds[i + 1]] for key in keys})
            for i, image in enumerate(images)
        ),
    )
    return images


def main() -> None:
    """Entry point."""
    args = parse_args()
    vocabulary = load_vocabulary('hico')
    gts, dets = make_data(args.images, args.per_image, vocabulary.num_hois)
    figures = dict(images=args.images, detections=len(dets), gt_triplets=len(gts), peak_mib_before=peak_mib())

    clock = Clock()
    known = known_object_images(gts.images, gts.labels, vocabulary.hoi_objects, args.images, vocabulary.num_objects)
    evaluate_hico(dets, gts, vocabulary.num_hois, known_objects=known, hoi_objects=vocabulary.hoi_objects)
    figures.update(clock.read(''), peak_mib=peak_mib())
    print(
        f'{len(dets)} detections in {args.images} images, {len(gts)} annotated triplets\n'
        f'Default + Known Object   {clock}   peak memory {figures["peak_mib"]:.0f} MiB '
        f'({figures["peak_mib_before"]:.0f} MiB before it)'
    )

    if not args.no_file:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'results.json'
            images = write_file(path, dets, args.images)
            clock = Clock()
            read_results(path, images, vocabulary.num_hois)
            figures.update(clock.read('load_'), load_peak_mib=peak_mib(), file_mib=path.stat().st_size / 2**20)
        print(
            f'loading a results file   {clock}   peak memory {figures["load_peak_mib"]:.0f} MiB '
            f'({figures["file_mib"]:.0f} MiB on disk)'
        )

    print(json.dumps({key: round(value, 4) if value > 1e-3 else value for key, value in figures.items()}))


if __name__ == '__main__':
    main()
