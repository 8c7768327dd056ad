"""Starts a project for one's own images: a vocabulary to fill in, and a config to train with."""

from pathlib import Path

from ..files import write_file
from ..vocabulary import HOIVocabulary, load_vocabulary
from .formats import load_json
from .formats.box_files import read_coco_pairs, read_cvat
from .formats.label_studio import is_label_studio, read_label_studio

VOCABULARY_TEMPLATE = """\
# The classes of your detector. Replace the examples by your own.
name: kitchen

# Object classes. Keep 'person': it is the class of the boxes of persons.
objects: [person, cup, knife, onion]

# Verbs. The phrase is what stands between 'a person' and 'a cup'. CLIP reads it, so write plain English.
verbs:
- {name: hold, phrase: holding}
- {name: cut, phrase: cutting}
- {name: cut_with, phrase: cutting with}

# The interactions to detect, each a verb with an object. Leave out `object` if the verb needs none: {verb: stand}.
hois:
- {verb: hold, object: cup}
- {verb: hold, object: knife}
- {verb: cut_with, object: knife}
- {verb: cut, object: onion, prompt: a photo of a person chopping an onion}  # `prompt` replaces the text for CLIP

# Optional: rare interactions, which the evaluation also reports separately.
# rare:
# - {verb: cut, object: onion}
"""

_CONFIG_TEMPLATE = """\
# Trains a detector of the classes in vocabulary.yaml.
_base_ = str(__import__('genvlkt_mmdet').apis.find_config('{base}'))

# Weights to start from, best those of a detector of other classes: it keeps what it knows, and learns the new classes.
# None: the base config's own start.
load_from = {weights!r}

folder = '{{{{ fileDirname }}}}/'  # of this file
vocabulary = folder + 'vocabulary.yaml'
files = dict(type='HOIDataset', vocabulary=vocabulary, data_root=folder, data_prefix=dict(img='photos/'))

model = dict(bbox_head=dict(vocabulary=vocabulary))
train_dataloader = dict(batch_size=4, dataset=dict(ann_file='train.json', **files))
val_dataloader = dict(dataset=dict(ann_file='val.json', **files))
test_dataloader = dict(dataset=dict(ann_file='test.json', **files))

# More epochs for fewer images.
max_epochs = {epochs}
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = [dict(type='MultiStepLR', begin=0, end=max_epochs, milestones=[max_epochs * 2 // 3], gamma=0.1)]
optim_wrapper = dict(optimizer=dict(lr={lr:g}))
randomness = dict(seed=0)  # another seed, another result: with few images they differ by several points

default_hooks = dict(
    logger=dict(interval=10),
    # Also keeps the checkpoint of the highest Full mAP on the validation images.
    checkpoint=dict(interval=5, max_keep_ckpts=1, save_best='hico/full'),
)
"""


def write_project(
    folder: str | Path,
    base: str = 'gen_vlkt_s_hico',
    weights: str | None = None,
    vocabulary: str = VOCABULARY_TEMPLATE,
    epochs: int = 30,
    lr: float = 1e-4,
) -> list[Path]:
    """Writes ``vocabulary.yaml`` and a config to a folder, and makes its folder ``photos``.

    The config has the name of the folder, and so has the work folder of its training.

    Args:
        folder (str | Path): The folder of the project.
        base (str): Name of the shipped config that the config inherits from.
        weights (str, optional): Checkpoint to start from. None: the start of the base config.
        vocabulary (str): Text of the vocabulary file.
        epochs (int): Number of training epochs.
        lr (float): Learning rate.

    Returns:
        list[Path]: The two files.

    Raises:
        FileExistsError: If one of the files exists.
    """
    folder = Path(folder)
    config = folder / f'{folder.resolve().name}.py'
    texts = {
        folder / 'vocabulary.yaml': vocabulary,
        config: _CONFIG_TEMPLATE.format(base=base, weights=weights, epochs=epochs, lr=lr),
    }
    for path in texts:
        if path.exists():
            raise FileExistsError(f"'{path}' exists already: choose another folder, or remove the file.")
    (folder / 'photos').mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        write_file(path, text.encode())
    return list(texts)


def import_annotations(
    path: str | Path,
    vocabulary: str | Path | HOIVocabulary,
    images: str | Path | None = None,
    pairs: str | Path | None = None,
) -> tuple[list[dict], int]:
    """Reads the annotations of an annotation tool. The format is recognised by its content.

    Args:
        path (str | Path): Export of Label Studio (JSON), CVAT for images 1.1 (XML), or boxes in COCO's format (JSON).
        vocabulary (str | Path | HOIVocabulary): The classes, see :func:`load_vocabulary`.
        images (str | Path, optional): Folder of the images, in which the images of Label Studio are looked up.
        pairs (str | Path, optional): CSV file of the interactions for CVAT and COCO, see :func:`.formats.box_files.read_pairs`.

    Returns:
        tuple[list[dict], int]: A record for each image, in the layout of the documented JSON, and the number of images in the
        file that are not annotated yet.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the format is unknown, or an annotation cannot be converted.
    """
    vocabulary = load_vocabulary(vocabulary)
    with open(path, 'rb') as file:
        is_xml = file.read(100).lstrip(b'\xef\xbb\xbf \t\r\n').startswith(b'<')
    if is_xml:
        return read_cvat(path, vocabulary, pairs), 0
    data = load_json(path)
    if is_label_studio(data):
        if pairs is not None:
            raise ValueError(
                f"'{path}' is an export of Label Studio, which has the interactions: leave out the CSV file."
            )
        return read_label_studio(path, vocabulary, images)
    if isinstance(data, dict) and {'images', 'annotations', 'categories'} <= set(data):
        if pairs is None:
            raise ValueError(f"'{path}' has boxes without interactions: give them in a CSV file (--pairs).")
        return read_coco_pairs(path, vocabulary, pairs), 0
    raise ValueError(
        f"'{path}' is of no known format: export JSON from Label Studio, 'CVAT for images 1.1' from CVAT, or COCO's boxes."
    )
