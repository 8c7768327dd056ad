import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from genvlkt_mmdet.evaluation import load_ground_truth
from genvlkt_mmdet.structures import Triplets
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.shared import shared_path


def of_entry(entry):
    return Triplets.of_image(*(entry[key] for key in ('human_boxes', 'object_boxes', 'labels', 'scores')))


@pytest.fixture(scope='session')
def hico_fixture():
    """The 174 images of the official HICO-DET runs: ground truth, detections before and after NMS, and results."""
    images = load_ground_truth(shared_path('reference', 'hico_eval_test_hico.json'), 'hico')
    entries = json.loads(shared_path('reference', 'hico_eval_detections.json').read_text())
    after_nms = json.loads(shared_path('reference', 'hico_eval_detections_after_nms.json').read_text())
    assert [image['file_name'] for image in images] == [entry['file_name'] for entry in entries]
    dets = {'no_nms': [], 'nms': []}
    for entry, kept in zip(entries, after_nms):
        boxes = np.array([box['bbox'] for box in entry['predictions']]).reshape(-1, 4)
        hois = [
            (hoi['subject_id'], hoi['object_id'], hoi['hoi_category_id'] - 1, hoi['score'])
            for hoi in entry['hoi_prediction']
        ]
        for key, rows in (('no_nms', hois), ('nms', kept)):
            dets[key].append(
                dict(
                    file_name=entry['file_name'],
                    human_boxes=boxes[[row[0] for row in rows]].tolist(),
                    object_boxes=boxes[[row[1] for row in rows]].tolist(),
                    labels=[row[2] for row in rows],
                    scores=[row[3] for row in rows],
                )
            )
    return SimpleNamespace(
        images=images,
        dets=dets,
        triplets={key: Triplets.join([of_entry(e) for e in rows]) for key, rows in dets.items()},
        gts=Triplets.join([image['eval_gt'].triplets for image in images]),
        matlab=json.loads(shared_path('reference', 'hico_eval_results_matlab.json').read_text()),
        python=json.loads(shared_path('reference', 'hico_eval_results_python.json').read_text()),
        vocabulary=load_vocabulary('hico'),
    )


@pytest.fixture(scope='session')
def vcoco_fixture():
    """The 200 images of the official V-COCO run."""
    paths = SimpleNamespace(
        ann_file=shared_path('reference', 'vcoco_eval_vsrl.json'),
        coco_file=shared_path('reference', 'vcoco_eval_mock_instances_vcoco_all_2014.json'),
        split_ids=shared_path('reference', 'vcoco_eval_split.ids'),
        results=shared_path('reference', 'vcoco_eval_detections.pkl'),
    )
    return SimpleNamespace(
        paths=paths,
        images=load_ground_truth(paths.ann_file, 'vcoco', paths.coco_file, paths.split_ids),
        people=pickle.loads(paths.results.read_bytes()),
        expected=json.loads(shared_path('reference', 'vcoco_eval_results.json').read_text()),
        vocabulary=load_vocabulary('vcoco'),
    )
