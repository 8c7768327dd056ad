"""Times the diagnosis of HICO-DET detections at full size: errors, all eight fixes of Diag-HOI and the localisation of pairs.

The data are those of bench_evaluation.py. Each measurement is a fresh process with one thread.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from bench_evaluation import make_data, peak_mib

from genvlkt_mmdet.evaluation.functional import diagnose_hico, fix_errors, localisation
from genvlkt_mmdet.text_table import text_table
from genvlkt_mmdet.vocabulary import load_vocabulary

PROTOCOLS = ('official', 'diag-hoi')
FIXES = ('none', 'human_box', 'object_box', 'both_boxes', 'association', 'interaction', 'duplicate', 'missing')


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=int, default=9658, help='images of the split')
    parser.add_argument('--per-image', type=int, default=100, help='detections per image')
    parser.add_argument('--repeats', type=int, default=3, help='processes for each protocol')
    parser.add_argument('--measure', metavar='PROTOCOL', help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(num_images: int, per_image: int, protocol: str) -> dict[str, float]:
    """Makes the data and diagnoses them, once in a process; returns the figures."""
    vocabulary = load_vocabulary('hico')
    gts, dets = make_data(num_images, per_image, vocabulary.num_hois)
    no_interaction = vocabulary.verb_names.index('no_interaction')
    clock = [time.process_time()]
    diagnosis = diagnose_hico(
        dets,
        gts,
        num_images,
        vocabulary.hoi_verbs,
        vocabulary.hoi_objects,
        no_interaction=no_interaction,
        protocol=protocol,
    )
    clock.append(time.process_time())
    results = fix_errors(diagnosis, FIXES)
    clock.append(time.process_time())
    pairs = localisation(diagnosis)
    clock.append(time.process_time())
    figures = {name: end - start for name, start, end in zip(('errors', 'fixes', 'pairs'), clock, clock[1:])}
    return dict(
        {f'{name}_cpu_seconds': value for name, value in figures.items()},
        all_cpu_seconds=clock[-1] - clock[0],
        peak_mib=peak_mib(),
        map=diagnosis.mean_ap(results['none']),
        pair_recall=pairs['recall'],
    )


def main() -> None:
    """Entry point."""
    args = parse_args()
    if args.measure:
        print(json.dumps(measure(args.images, args.per_image, args.measure)))
        return
    environment = os.environ | dict(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1')
    runs: dict[str, list[dict[str, float]]] = {protocol: [] for protocol in PROTOCOLS}
    for _ in range(args.repeats):
        for protocol, own in runs.items():
            command = [sys.executable, __file__, '--images', str(args.images), '--per-image', str(args.per_image)]
            command += ['--measure', protocol]
            own.append(json.loads(subprocess.check_output(command, text=True, env=environment).splitlines()[-1]))
    results = {name: {key: statistics.median(run[key] for run in own) for key in own[0]} for name, own in runs.items()}
    print(f'{args.images * args.per_image} detections in {args.images} images; medians of {args.repeats}')
    header = ['protocol', 'errors, CPU s', 'fixes, CPU s', 'pairs, CPU s', 'all, CPU s', 'peak MiB']
    rows = [
        [
            name,
            *(f'{own[f"{part}_cpu_seconds"]:.2f}' for part in ('errors', 'fixes', 'pairs', 'all')),
            f'{own["peak_mib"]:.0f}',
        ]
        for name, own in results.items()
    ]
    print(text_table(header, rows))
    print(json.dumps(results))


if __name__ == '__main__':
    main()
