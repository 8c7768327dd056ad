"""An example of one's own data: a few rendered images, annotated as by a person in Label Studio."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..datasets.formats.label_studio import label_studio_results
from ..datasets.image_file import write_image
from ..datasets.own_data import write_project
from ..datasets.records import FileIds
from ..files import write_file
from ..vocabulary import HOIVocabulary, load_vocabulary
from .catalog import vocabulary as minihoi_vocabulary
from .scenes import DIFFICULTIES, Scene, annotate, render_scene, sample_pairs, sample_scene

EXAMPLE_VOCABULARY = """\
# The classes of the example: other verbs than those of the shipped detector, and fewer objects.
name: station
objects: [person, bicycle, suitcase, ball]
verbs:
- {name: carry, phrase: carrying}
- {name: move, phrase: moving}
- {name: ride, phrase: riding}
- {name: play_with, phrase: playing with}
- {name: clean, phrase: cleaning}
hois:
- {verb: carry, object: suitcase}
- {verb: move, object: suitcase}
- {verb: move, object: bicycle}
- {verb: ride, object: bicycle}
- {verb: clean, object: bicycle}
- {verb: carry, object: ball}
- {verb: play_with, object: ball}
"""
# What the person of the example calls MiniHOI's verbs.
_VERBS = dict(hold='carry', lift='carry', push='move', pull='move', ride='ride', kick='play_with', wash='clean')
_STREAM = 7  # of the random numbers: other images than those of MiniHOI's splits


def render_example(folder: str | Path, num_images: int = 40, seed: int = 0) -> Path:
    """Writes a project for training on one's own data: images, vocabulary, config and an export of Label Studio.

    The images are scenes of MiniHOI. The vocabulary has verbs that MiniHOI does not have, such as 'carry' for holding and
    lifting.

    Args:
        folder (str | Path): Folder of the project, see :func:`write_project`.
        num_images (int): Number of images.
        seed (int): Seed of the images.

    Returns:
        Path: The export, ``label_studio.json`` in the folder.

    Raises:
        FileExistsError: If the folder has a project already.
    """
    folder = Path(folder)
    weights = 'genvlkt://gen_vlkt_tiny_minihoi.pth'
    # A network of this size wants larger steps than the paper's.
    write_project(folder, 'gen_vlkt_tiny_minihoi', weights, EXAMPLE_VOCABULARY, lr=3e-4)
    vocabulary = load_vocabulary(folder / 'vocabulary.yaml')
    tasks = []
    for number, (scene, record) in enumerate(_example_scenes(vocabulary, num_images, seed), 1):
        name = f'{number:04d}.jpg'
        write_image(folder / 'photos' / name, render_scene(scene)[0][..., ::-1])
        annotation = dict(id=number, was_cancelled=False, result=label_studio_results(record, vocabulary))
        # As Label Studio names an uploaded file.
        image = f'/data/upload/1/{number:08x}-{name}'
        tasks.append(dict(id=number, data=dict(image=image), annotations=[annotation], predictions=[]))
    export = folder / 'label_studio.json'
    write_file(export, json.dumps(tasks, indent=1).encode())
    return export


def _example_scenes(vocabulary: HOIVocabulary, number: int, seed: int) -> Iterator[tuple[Scene, dict]]:
    """Scenes in which all interactions are classes of the vocabulary, and their records."""
    known = {hoi for hoi in range(minihoi_vocabulary().num_hois) if _own_class(hoi, vocabulary) is not None}
    stream = 0
    while number:
        key = [_STREAM, seed, stream]
        stream += 1
        # `sample_scene` draws the pairs first. Drawing them alone is faster than making scenes that are not used.
        count = 1 + number % 2
        pairs = sample_pairs(np.random.default_rng(key), DIFFICULTIES['default'], False, count)
        if known.issuperset(hoi for pair in pairs for hoi in pair):
            scene = sample_scene(np.random.default_rng(key), num_pairs=count)
            yield scene, _own_record(annotate(scene), vocabulary)
            number -= 1


def _own_class(hoi: int, vocabulary: HOIVocabulary) -> int | None:
    """HOI class of a class of MiniHOI. None if there is none."""
    theirs = minihoi_vocabulary()
    verb = _VERBS.get(theirs.verb_names[theirs.hoi_verbs[hoi]])
    try:
        return None if verb is None else vocabulary.hoi_index(verb, theirs.object_names[theirs.hoi_objects[hoi]])
    except KeyError:
        return None


def _own_record(record: dict, vocabulary: HOIVocabulary) -> dict:
    """Translates a record of MiniHOI, all of whose interactions are classes of the vocabulary."""
    theirs = FileIds(minihoi_vocabulary())
    names = [theirs.vocabulary.object_names[theirs.object(a['category_id'])] for a in record['annotations']]
    place: dict[int, int] = {}  # of the boxes whose class is in the vocabulary
    boxes, hois = [], []
    for i, name in enumerate(names):
        if name in vocabulary.object_names:
            place[i] = len(boxes)
            category = vocabulary.object_ids[vocabulary.object_names.index(name)]
            boxes.append(dict(record['annotations'][i], category_id=category))
    for hoi in record['hoi_annotation']:
        own = _own_class(theirs.hoi(hoi['hoi_category_id']), vocabulary)
        pair = dict(subject_id=place[hoi['subject_id']], object_id=place[hoi['object_id']])
        triplet = dict(pair, category_id=vocabulary.verb_ids[vocabulary.hoi_verbs[own]])
        if triplet not in hois:
            hois.append(triplet)
    return dict(record, annotations=boxes, hoi_annotation=hois)
