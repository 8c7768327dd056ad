"""Detects human-object interactions in pictures: draws them and writes them as JSON.

Examples:
    python tools/infer.py photos/ --model configs/gen_vlkt_s_hico.py --weights gen_vlkt_s_hico.pth --out-dir out
    python tools/infer.py photos/ --weights gen_vlkt_s_hico.pth --vocabulary phrases.txt
"""

import thread_policy  # noqa: F401, I001  (first: OpenMP reads it when torch is loaded)

import argparse
import sys

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.visualization import DEFAULT_SCORE_THR


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description='Detect human-object interactions in pictures')
    parser.add_argument('inputs', help='picture or folder of pictures')
    parser.add_argument(
        '--model', help='config file or name of a shipped config (default: the config in the checkpoint)'
    )
    parser.add_argument('--weights', required=True, help='checkpoint file')
    parser.add_argument(
        '--vocabulary',
        metavar='FILE',
        help='interactions to look for instead of those of the training: a text file with a phrase or `verb, object` a line',
    )
    parser.add_argument('--out-dir', default='out', help='receives vis/ (drawings) and preds/ (JSON) (default: out)')
    parser.add_argument(
        '--score-thr',
        type=float,
        default=DEFAULT_SCORE_THR,
        help='keep triplets with a higher score, in [0, 2] (default: %(default)s)',
    )
    parser.add_argument('--top-k', type=int, help='keep the best so many triplets of a picture (default: all)')
    parser.add_argument('--batch-size', type=int, default=1, help='pictures that go through the model together')
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the best available)')
    parser.add_argument('--no-vis', action='store_true', help='write JSON only')
    return parser.parse_args()


def main() -> None:
    """Runs as the command line says."""
    args = parse_args()
    try:
        inferencer = HOIInferencer(args.model, args.weights, device=args.device, vocabulary=args.vocabulary)
        result = inferencer(
            args.inputs,
            batch_size=args.batch_size,
            out_dir=args.out_dir,
            pred_score_thr=args.score_thr,
            top_k=args.top_k,
            no_save_vis=args.no_vis,
        )
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    found = sum(len(hois) for hois in result['predictions'])
    print(f'{found} interactions in {len(result["images"])} pictures: see {args.out_dir}')


if __name__ == '__main__':
    main()
