"""Evaluation on two processes, with a last uneven batch, equals one on a single process to the last digit."""

import json

import numpy as np
import torch
import torch.distributed as dist
from mmdet.registry import METRICS

import genvlkt_mmdet.evaluation  # noqa: F401  (registers)
from genvlkt_mmdet.structures import GroundTruth, Persons, Triplets
from genvlkt_mmdet.vocabulary import load_vocabulary

SIZE = 13
WAYS = ('in_turn', 'padded', 'blocks')


def make_sample(i, name):
    """Image i with detections near its ground truth; few distinct scores, so that ties must fall alike."""
    rng = np.random.default_rng(i)
    n, m = 4, 30

    def boxes(k):
        corner = rng.uniform(0, 60, (k, 2))
        return np.concatenate([corner, corner + rng.uniform(30, 60, (k, 2))], axis=1).astype(np.float32)

    humans, objects = boxes(n), boxes(n)
    if name == 'HICOMetric':
        gt = GroundTruth(Triplets.of_image(humans, objects, rng.integers(0, 5, n)))
    else:
        persons, verbs = np.nonzero(rng.integers(0, 2, (n, 29)))
        triplets = Triplets.of_image(humans[persons], objects[rng.integers(0, n, len(persons))], verbs)
        gt = GroundTruth(triplets, persons=Persons(humans, np.ones(n, bool), persons))
    which = rng.integers(0, n, m)
    pred = dict(
        human_boxes=torch.from_numpy(humans[which] + rng.normal(0, 6, (m, 4)).astype(np.float32)),
        object_boxes=torch.from_numpy(objects[which] + rng.normal(0, 6, (m, 4)).astype(np.float32)),
        hoi_labels=torch.from_numpy(rng.integers(0, 5, m)),
        scores=torch.from_numpy((rng.integers(1, 9, m) / 8).astype(np.float32)),
    )
    return dict(img_id=i, img_path=f'{i}.jpg', eval_gt=gt, pred_hois=pred)


def deal(way, rank, world):
    """The images that a process sees."""
    if way == 'in_turn':  # as DefaultSampler(round_up=False) does
        return range(rank, SIZE, world)
    if way == 'padded':  # as DefaultSampler(round_up=True) does: the last process sees the first image again
        return [i % SIZE for i in range(rank, -(-SIZE // world) * world, world)]
    return range(9) if rank == 0 else range(9, SIZE)  # blocks of different lengths


def evaluate(folder, way, rank, world):
    """What each process does with its images."""
    figures = {}
    for name, vocabulary in (('HICOMetric', 'hico'), ('VCOCOMetric', 'vcoco')):
        prefix = str(folder / f'{world}.{way}.{vocabulary}')
        metric = METRICS.build(dict(type=name, outfile_prefix=prefix, collect_dir=str(folder / 'collect')))
        metric.dataset_meta = dict(vocabulary=load_vocabulary(vocabulary).to_dict())
        images = list(deal(way, rank, world))
        for start in range(0, len(images), 4):
            metric.process(None, [make_sample(i, name) for i in images[start : start + 4]])
        figures.update(metric.evaluate(SIZE))
    (folder / f'{world}.{way}.{rank}.json').write_text(json.dumps(figures))


def work(folder, rank, world):
    """Runs in a process of its own, forked so that nothing is imported anew."""
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=world)
    for way in WAYS:
        evaluate(folder, way, rank, world)
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    evaluate(tmp_path, 'in_turn', 0, 1)
    context = torch.multiprocessing.get_context('fork')
    processes = [context.Process(target=work, args=(tmp_path, rank, 2), daemon=True) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0]
    expected = json.loads((tmp_path / '1.in_turn.0.json').read_text())
    assert 0 < expected['hico/full'] < 1 and 0 < expected['vcoco/scenario_1/mean_24'] < 1
    for way in WAYS:
        for rank in range(2):
            assert json.loads((tmp_path / f'2.{way}.{rank}.json').read_text()) == expected, way
        for dataset in ('hico', 'vcoco'):
            file = f'.{dataset}.results.json'
            assert (tmp_path / f'2.{way}{file}').read_bytes() == (tmp_path / f'1.in_turn{file}').read_bytes()
