"""Makes the rows that start HOICLIP's verb classifier, from the training images of a config and its CLIP model.

CLIP embeds crops of persons, objects and both together. A row is what a verb adds to its persons and objects. A verb without
a training sample, such as an unseen one, has a row of zeros: its HOI classes then rest on their text alone.

Examples:
    genvlkt data verb-embeddings gen_vlkt_s_hico verbs_hico.safetensors --workers 4
    genvlkt data verb-embeddings gen_vlkt_s_hico verbs_rf_uc.safetensors --zero-shot rare_first --mode released
    genvlkt data verb-embeddings gen_vlkt_tiny_minihoi_short verbs_minihoi.safetensors
"""

import argparse

from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from ...apis.configs import config_file
from ...engine import add_cfg_options, check_device, command, in_range, load_config
from ...models.vlkt import compute_verb_embeddings, save_verb_embeddings
from ...models.vlkt.verb_arithmetic import MODES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the verb."""
    parser.add_argument(
        'config', type=config_file, help='config with training set and CLIP model, or name of a shipped one'
    )
    parser.add_argument('out', help='.safetensors file to write')
    parser.add_argument(
        '--mode',
        choices=MODES,
        default='arithmetic',
        help="arithmetic: the paper's text, mean of 2 both - object - person over pairs; released: the rule of the authors' "
        'file, difference of class means (default: %(default)s)',
    )
    parser.add_argument(
        '--zero-shot',
        metavar='SPLIT',
        help="leaves out the pairs of this split's unseen HOIs (default: that of the config)",
    )
    parser.add_argument('--strict', action='store_true', help='fail if a verb has no sample')
    parser.add_argument(
        '--clip', help="CLIP model in place of the config's: a folder or a shipped one (genvlkt://tiny_clip)"
    )
    parser.add_argument(
        '--batch-size', type=in_range(int, 1, 10**6), default=256, help='crops embedded at once (default: %(default)s)'
    )
    parser.add_argument(
        '--workers',
        type=in_range(int, 0, 1024),
        default=0,
        help='processes that load and crop images; 0: this one (default: %(default)s)',
    )
    parser.add_argument('--device', type=check_device, help='device of the CLIP model (default: the best there is)')
    add_cfg_options(parser)


@command(OSError, ValueError)
def run(args: argparse.Namespace) -> None:
    """Computes and writes as the command line says."""
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    settings = cfg.train_dataloader.dataset
    while 'dataset' in settings:  # of a wrapper such as RepeatDataset
        settings = settings.dataset
    clip = args.clip or cfg.model.bbox_head.hoi_classifier.get('clip')
    if clip is None:
        raise ValueError(f"'{args.config}' names no CLIP model: give one with --clip.")
    # Only the image is needed, as it is.
    settings.pipeline = [step for step in settings.pipeline if step.type == 'LoadHOIImage'][:1]
    if args.zero_shot:
        settings.zero_shot = args.zero_shot
    dataset = DATASETS.build(settings)
    rows, origin = compute_verb_embeddings(
        dataset, clip, args.mode, args.batch_size, args.workers, args.device or check_device(None), progress=True
    )
    verbs = dataset.vocabulary.verb_names
    missing = [verb for verb, row in zip(verbs, rows, strict=True) if not row.any()]
    if missing:
        text = f'{len(missing)} of {len(verbs)} verbs have no sample in the training images: {", ".join(missing)}.'
        if args.strict:
            raise ValueError(f'{text} Leave out --strict to give them rows of zeros.')
        print(f'{text} Their rows are zeros.')
    save_verb_embeddings(args.out, verbs, rows, origin)
    print(
        f'{args.out}: {len(verbs)} verbs, {rows.shape[1]} wide, {args.mode}, by {origin["clip"]} from '
        f'{origin["images"]} images'
    )
