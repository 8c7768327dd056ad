"""Makes the verb-object prior from training annotations, or turns a given one into a plain array.

Examples:
    python tools/dataset_converters/prior.py vcoco data/v-coco/annotations/trainval_vcoco.json corre_vcoco.npy
    python tools/dataset_converters/prior.py vcoco prior.pickle corre_vcoco.npy
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from genvlkt_mmdet.datasets.formats import read_annotations, read_prior, verb_object_prior
from genvlkt_mmdet.datasets.vocabulary import load_vocabulary


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Make or convert a verb-object prior')
    parser.add_argument('vocabulary', help='hico, vcoco, minihoi or a vocabulary file')
    parser.add_argument('source', type=Path, help='training annotations, or a prior (.npy, .pickle, .pkl)')
    parser.add_argument('out', type=Path, help='file to write (.npy)')
    parser.add_argument('--split', choices=['train', 'test'], help="split to read, for HICO-DET's anno_bbox.mat")
    return parser.parse_args()


def main() -> None:
    """Makes the prior as the command line says."""
    args = parse_args()
    try:
        vocabulary = load_vocabulary(args.vocabulary)
        if args.source.suffix in ('.npy', '.pickle', '.pkl'):
            prior = read_prior(args.source, vocabulary)
        else:
            prior = verb_object_prior(read_annotations(args.source, vocabulary, split=args.split)[0], vocabulary)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.save(args.out, prior)
    print(f'written: {args.out}: {int(prior.astype(bool).sum())} of {prior.size} combinations occur')


if __name__ == '__main__':
    main()
