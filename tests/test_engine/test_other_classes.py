"""A training that starts from a detector of other classes: what it keeps, and what starts from text."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

from genvlkt_mmdet.engine.checkpoints import fitting_weights, match_classes
from genvlkt_mmdet.vocabulary import load_vocabulary
from tests.test_models.tiny import HICO_LIKE, detector_cfg

OWN = dict(
    name='own',
    objects=['horse', 'person', 'bag'],
    verbs=['carry', 'hold', 'ride'],
    hois=[
        dict(verb='carry', object='bag'),
        dict(verb='ride', object='horse'),
        dict(verb='hold', object='horse'),
        dict(verb='carry', object='horse'),
        dict(verb='ride', object='person'),
    ],
)


@pytest.fixture
def models():
    """A detector of other classes, with its checkpoint, and one of one's own. Both have 5 HOI classes and 4 object logits."""
    init_default_scope('mmdet')
    cfg = detector_cfg(HICO_LIKE)
    trained = MODELS.build(copy.deepcopy(cfg))
    cfg['bbox_head']['vocabulary'] = OWN
    own = MODELS.build(cfg)
    meta = dict(dataset_meta=dict(vocabulary=load_vocabulary(HICO_LIKE).to_dict(), zero_shot=None))
    return own, trained, dict(state_dict=trained.state_dict(), meta=meta)


def test_classes_keep_their_weights(models):
    own, trained, checkpoint = models
    before = copy.deepcopy(own.state_dict())
    names = [n for n in before if '_classifier.' in n and n.split('.')[2] in ('fc', 'linear')]
    assert len(names) == 4
    # the text embeddings of new classes are needed, so they are read
    assert set(before) - fitting_weights(own, checkpoint, 'a.pth') == set(names)

    match_classes(own, checkpoint, 'a.pth')
    own.load_state_dict(checkpoint['state_dict'])
    after, theirs = own.state_dict(), trained.state_dict()
    # HICO_LIKE: hold cup, hold horse, ride horse, hold person, ride person; person, cup, horse, nothing
    rows = dict(hoi_classifier=[None, 2, 1, None, 4], obj_classifier=[2, 0, None, 3])
    for name in names:
        for row, their_row in enumerate(rows[name.split('.')[1]]):
            expected = before[name][row] if their_row is None else theirs[name][their_row]
            assert torch.equal(after[name][row], expected), (name, row)
    assert all(torch.equal(after[n], theirs[n]) for n in after if n not in names)


def test_same_classes_change_nothing(models):
    _, trained, checkpoint = models
    weights = dict(checkpoint['state_dict'])
    match_classes(trained, checkpoint, 'a.pth')
    assert checkpoint['state_dict'].keys() == weights.keys()
    assert fitting_weights(trained, checkpoint, 'a.pth') == weights.keys()
    # a checkpoint that does not say its classes is loaded by shape, as before
    own = models[0]
    assert fitting_weights(own, dict(state_dict=weights), 'a.pth') == weights.keys()


def test_zero_shot_checkpoints_give_no_rows(models):
    own, _, checkpoint = models
    checkpoint['meta']['dataset_meta']['zero_shot'] = 'some'
    match_classes(own, checkpoint, 'a.pth')
    missing = set(own.state_dict()) - set(checkpoint['state_dict'])
    assert len(missing) == 4 and all('_classifier.' in name for name in missing)
