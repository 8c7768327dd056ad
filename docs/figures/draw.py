"""Draws the figures of ``how_it_works.md`` and ``gpu.md``, and writes its table of places.

Examples:
    python docs/figures/draw.py
    python docs/figures/draw.py --png look    # PNG files as well, to look at
"""

import argparse
import csv
from pathlib import Path
from xml.sax.saxutils import escape

from canvas import Canvas, curves
from places import PLACES, QUESTIONS

DOCS = Path(__file__).resolve().parents[1]
BEGIN, END = '<!-- places: begin -->', '<!-- places: end -->'


def network() -> Canvas:
    """The network: what is computed from what, and what CLIP gives."""
    c = Canvas(10, 7)
    c.region(1.3, 3.4, 3.85, 2.0, 'encode')
    c.region(5.55, 1.2, 4.4, 5.75, 'forward')
    # image to memory
    c.box(0.08, 3.85, 0.95, 0.85, 'Image', '(B, 3, H, W)', color='plain')
    c.box(1.42, 3.6, 1.6, 1.35, 'Backbone, neck', 'ResNet and 1 x 1', 'convolution, mmdet', color='model')
    c.box(3.3, 3.6, 1.73, 1.35, 'Encoder', 'encoder', color='model')
    c.arrow((1.03, 4.27), (1.42, 4.27))
    c.arrow((3.02, 4.27), (3.3, 4.27))
    # decoders
    c.box(
        5.67, 5.65, 2.02, 0.78, 'Human, object queries', '+ p-GE, the same for', 'both queries of a pair', color='plain'
    )
    c.box(5.67, 3.6, 2.02, 1.35, 'Instance decoder', 'decoder', 'L layers, 2Q queries', color='model')
    c.box(5.67, 1.32, 2.02, 1.35, 'Interaction decoder', 'decoder', 'L layers, Q queries', color='model')
    c.arrow((5.03, 4.27), (5.67, 4.27))
    c.arrow((5.35, 4.27), (5.35, 2.0), (5.67, 2.0))
    c.label(5.25, 2.85, 'memory\n(B, HW, C)', ha='right')
    c.arrow((6.68, 5.65), (6.68, 4.95))
    c.label(6.78, 5.3, 'positions', ha='left')
    c.arrow((6.68, 3.6), (6.68, 2.67))
    c.label(6.76, 3.14, 'i-GE: mean of\nhuman and object,\nlayer by layer', ha='left')
    # heads
    c.box(8.08, 5.88, 1.78, 0.55, 'Human box', '3-layer MLP, (Q, 4)', color='model')
    c.box(8.08, 5.2, 1.78, 0.55, 'Object box', '3-layer MLP, (Q, 4)', color='model')
    c.box(8.08, 3.98, 1.78, 1.1, 'Object logits', 'text classifier', '(Q, O)', color='model')
    c.box(8.08, 1.45, 1.78, 1.1, 'HOI logits', 'text classifier', '(Q, A)', color='model')
    for y in (6.15, 5.47, 4.53):
        c.arrow((7.69, 4.27), (7.87, 4.27), (7.87, y), (8.08, y))
    c.arrow((7.69, 2.0), (8.08, 2.0))
    # CLIP
    c.box(8.08, 2.8, 1.78, 0.93, 'CLIP text encoder', 'text embeddings', color='clip')
    c.arrow((8.97, 3.73), (8.97, 3.98))
    c.arrow((8.97, 2.8), (8.97, 2.55))
    c.box(0.08, 0.1, 2.3, 0.85, 'Image for CLIP', 'CLIP image', color='clip', dashed=True)
    c.box(2.85, 0.1, 2.05, 0.85, 'CLIP image encoder', 'teacher', color='clip', dashed=True)
    c.box(5.67, 0.1, 2.02, 0.85, 'Mimic loss', 'mimic loss', color='training', dashed=True)
    c.arrow((0.55, 3.85), (0.55, 0.95), dashed=True)
    c.arrow((2.38, 0.52), (2.85, 0.52), dashed=True)
    c.arrow((4.9, 0.52), (5.67, 0.52), dashed=True)
    c.arrow((8.97, 1.45), (8.97, 0.52), (7.69, 0.52), dashed=True)
    c.label(8.35, 0.68, 'mean over queries')
    c.label(0.65, 2.35, 'dashed:\nin training only', ha='left')
    c.label(5.27, 0.66, '(B, D)')
    c.label(0.08, 6.72, 'B images; Q pairs (64); C channels (256)', ha='left', fontsize=8.4)
    c.label(0.08, 6.5, 'L decoder layers (3; 6 in GEN-VLKT-L)', ha='left', fontsize=8.4)
    c.label(0.08, 6.28, 'A HOI classes (600); O object classes and "nothing" (81)', ha='left', fontsize=8.4)
    c.label(0.08, 6.06, 'D width of CLIP (512). In brackets: HICO-DET.', ha='left', fontsize=8.4)
    return c


def way_of_an_image() -> Canvas:
    """An image's way through the code, from the annotation file to what people look at."""
    c = Canvas(10, 8.3)
    width, gap, left = 2.22, 0.3, 0.12
    xs = [left + i * (width + gap) for i in range(4)]

    c.band(5.68, 2.55, 10, 'From a file to a batch', 'data')
    first = (
        ('Annotation file', 'read annotations'),
        ('Dataset', 'dataset'),
        ('Image', 'load image'),
        ('Boxes', 'load boxes'),
    )
    second = (
        ('Flip, jitter, resize', 'resize'),
        ('Image for CLIP', 'CLIP image'),
        ('Packing', 'pack'),
        ('Data sample', 'data sample'),
    )
    c.row(xs, 6.95, width, 0.92, first, 'data')
    c.row(xs, 5.8, width, 0.92, second, 'data')
    c.turn(xs, 6.95, 6.72, width)

    c.band(2.9, 2.55, 10, 'From a batch to triplets', 'model')
    first = (
        ('Batch', 'normalised, padded', '(mmdet)'),
        ('Memory', 'encode'),
        ('Outputs of all layers', 'forward'),
        ('Pairs', 'predict'),
    )
    second = (
        ('Score of a triplet', 'triplet score'),
        ('Best triplets', 'selection'),
        ('Suppression', 'NMS'),
        ('pred_hois', 'boxes, labels, scores', 'in the data sample'),
    )
    c.turn(xs, 5.8, 5.09, width, at=5.565)
    c.row(xs, 4.17, width, 0.92, first, 'model')
    c.row(xs, 3.02, width, 0.92, second, 'model')
    c.turn(xs, 4.17, 3.94, width)

    c.band(0.05, 2.62, 10, 'What the triplets are for', 'use')
    first = (
        ('HICO-DET, MiniHOI', 'HICO metric'),
        ('V-COCO', 'V-COCO metric'),
        ('Drawing', 'visualizer'),
        ('Python and JSON', 'inferencer'),
    )
    second = (('AP of HICO-DET', 'HICO AP'), ('AP, Scenario 1 and 2', 'V-COCO AP'), ('Pairs to draw', 'drawn pairs'))
    c.row(xs, 1.35, width, 0.92, first, 'use', arrows=False)
    c.row(xs, 0.15, width, 0.92, second, 'use', arrows=False)
    for x in xs[:3]:
        c.arrow((x + width / 2, 1.35), (x + width / 2, 1.07))
    trunk = (xs[3] + width / 2, 2.78)
    for x in xs:
        c.arrow((trunk[0], 3.02), trunk, (x + width / 2, trunk[1]), (x + width / 2, 2.27))
    return c


def training_step() -> Canvas:
    """A training step: outputs and annotated pairs, matching, losses, update."""
    c = Canvas(10, 5.55)
    c.box(0.08, 3.95, 2.25, 1.1, 'Outputs', 'forward', 'L layers, B images,', 'Q queries', color='model')
    c.box(0.08, 2.2, 2.25, 0.95, 'Annotated pairs', 'gt_pairs of the data sample', color='data')
    c.box(0.08, 0.25, 2.25, 0.85, 'CLIP teacher', 'teacher', color='clip')
    # matching
    c.region(2.72, 1.45, 2.6, 4.05, 'assigner')
    costs = (
        ('1 x HOI classes', 'HOI cost'),
        ('1 x object class', 'object cost'),
        ('2.5 x L1 of boxes', 'L1 cost'),
        ('1 x GIoU of boxes', 'GIoU cost'),
    )
    for i, (title, key) in enumerate(costs):
        c.box(2.82, 4.27 - i * 0.9, 2.4, 0.82, title, key, color='training')
    c.arrow((2.33, 4.5), (2.72, 4.5))
    c.arrow((2.33, 2.67), (2.72, 2.67))
    # losses
    c.region(6.0, 0.2, 2.2, 5.3, 'loss')
    losses = (
        ('2 x HOI', 'HOI loss'),
        ('1 x object class', 'cross entropy (mmdet)', '"nothing" weighs 0.1'),
        ('2.5 x L1', 'of human and object box', '(mmdet)'),
        ('1 x GIoU', 'of human and object box', '(mmdet)'),
        ('20 x mimic', 'mimic loss'),
    )
    for i, (title, *lines) in enumerate(losses):
        c.box(6.1, 4.22 - i * 0.97, 2.0, 0.87, title, *lines, color='training')
    c.arrow((5.32, 3.5), (6.0, 3.5))
    c.label(5.66, 3.87, 'one query\nfor each\npair')
    c.arrow((2.33, 0.67), (6.1, 0.67))
    c.label(4.2, 0.82, 'embedding of the image (B, D)')
    # update
    c.box(8.5, 3.95, 1.42, 1.1, 'Sum', 'over losses', 'and layers', color='plain')
    c.box(8.5, 2.3, 1.42, 1.1, 'Gradients', 'norm clipped', 'to 0.1', color='plain')
    c.box(8.5, 0.3, 1.42, 1.45, 'AdamW', 'rate 1e-4;', 'backbone and text', 'classifiers 1e-5', color='plain')
    c.arrow((8.2, 4.5), (8.5, 4.5))
    c.arrow((9.21, 3.95), (9.21, 3.4))
    c.arrow((9.21, 2.3), (9.21, 1.75))
    return c


def loss_curve() -> Canvas:
    """The losses of a short training on MiniHOI, from ``loss_curve.csv`` (the log of that training, every 5 steps)."""
    with open(Path(__file__).with_name('loss_curve.csv'), encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    names = {
        'loss_hoi': 'HOI classes',
        'loss_obj': 'object class',
        'loss_human_bbox': 'L1, human',
        'loss_object_bbox': 'L1, object',
        'loss_human_iou': 'GIoU, human',
        'loss_object_iou': 'GIoU, object',
        'loss_mimic': 'mimic (weight 0.5)',
    }
    return curves(
        [int(row['step']) for row in rows], {text: [float(row[key]) for row in rows] for key, text in names.items()}
    )


FIGURES = dict(network=network, way_of_an_image=way_of_an_image, training_step=training_step, loss_curve=loss_curve)


def description(canvas: Canvas) -> str:
    """What the SVG file of a figure says of its content, as text of XML."""
    return escape(canvas.description)


def table() -> str:
    """The table of places, in Markdown."""
    rows = ['| What | File | Name |', '|---|---|---|']
    for question, key in QUESTIONS.items():
        file, name = PLACES[key]
        rows.append(f'| {question} | [{file}](../genvlkt_mmdet/{file}) | `{name}` |')
    return '\n'.join(rows)


def with_table(page: str) -> str:
    """The page with its table written anew."""
    head, rest = page.split(BEGIN)
    return f'{head}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}'


def main() -> None:
    """Draws as the command line says."""
    parser = argparse.ArgumentParser(description='Draw the figures of the documentation and write its table of places')
    parser.add_argument('--png', type=Path, help='folder for PNG files as well')
    args = parser.parse_args()
    for name, draw in FIGURES.items():
        canvas = draw()
        if args.png:
            args.png.mkdir(parents=True, exist_ok=True)
            canvas.figure.savefig(args.png / f'{name}.png', dpi=130, facecolor='white')
        canvas.save(DOCS / 'images' / f'{name}.svg')
    page = DOCS / 'how_it_works.md'
    page.write_text(with_table(page.read_text(encoding='utf-8')), encoding='utf-8')


if __name__ == '__main__':
    main()
