"""The verb-object prior: which verbs go with which objects."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..vocabulary import HOIVocabulary
from .safe_pickle import load_numpy_pickle


def verb_object_prior(records: Iterable[dict], vocabulary: HOIVocabulary) -> np.ndarray:
    """Counts which verb occurs with which object in training annotations.

    The result is what ``corre_hico.npy`` and ``corre_vcoco.npy`` hold; it replaces V-COCO's ``prior.pickle``.

    Args:
        records (Iterable[dict]): Records of the training split.
        vocabulary (HOIVocabulary): Their vocabulary.

    Returns:
        np.ndarray: (V, O) float64, 1 where the combination occurs, else 0.
    """
    verbs = {i: k for k, i in enumerate(vocabulary.verb_ids)}
    objects = {i: k for k, i in enumerate(vocabulary.object_ids)}
    prior = np.zeros((vocabulary.num_verbs, vocabulary.num_objects))
    for record in records:
        for hoi in record['hoi_annotation']:
            if hoi['object_id'] >= 0:
                label = objects[record['annotations'][hoi['object_id']]['category_id']]
                prior[verbs[hoi['category_id']], label] = 1
    return prior


def read_prior(path: str | Path, vocabulary: HOIVocabulary) -> np.ndarray:
    """Reads a verb-object prior that somebody else made.

    Args:
        path (str | Path): ``corre_*.npy``, or a pickle of one array (V, O), or of arrays (V) in order of the objects or
            keyed by object name or index. Pickles may hold plain containers and numpy arrays, nothing else.
        vocabulary (HOIVocabulary): The vocabulary that it must fit.

    Returns:
        np.ndarray: (V, O) float64.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If the content is unsafe or of another size.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"Verb-object prior '{path}' is missing; make one with tools/dataset_converters/prior.py."
        )
    if path.suffix == '.npy':
        prior = np.load(path, allow_pickle=False)
    else:
        content = load_numpy_pickle(path)
        if isinstance(content, dict):
            order = [k if k in content else name for k, name in enumerate(vocabulary.object_names)]
            missing = [vocabulary.object_names[k] for k, key in enumerate(order) if key not in content]
            if missing:
                raise ValueError(f"Prior '{path}' lacks objects of '{vocabulary.name}', e.g. '{missing[0]}'.")
            content = [content[key] for key in order]
        prior = np.stack([np.asarray(c) for c in content], axis=1) if isinstance(content, (list, tuple)) else content
    prior = np.asarray(prior, dtype=np.float64)
    expected = (vocabulary.num_verbs, vocabulary.num_objects)
    if prior.shape != expected:
        raise ValueError(
            f"Prior '{path}' has shape {prior.shape}, but '{vocabulary.name}' needs (verbs, objects) = {expected}."
        )
    return prior
