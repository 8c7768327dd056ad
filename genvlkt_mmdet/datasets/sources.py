"""Downloads of the datasets, and checks of their folders."""

import hashlib
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..files import new_file
from ..progress import progress_bar
from ..vocabulary import load_vocabulary
from .formats import read_annotations


@dataclass(frozen=True)
class Source:
    """One file of a dataset.

    Attributes:
        name (str): File name.
        page (str): Address of the file if ``direct``, otherwise of a page to visit.
        unpack (str): Folder for its content, relative to the dataset's root.
        direct (bool): Whether ``page`` is the address of the file.
        checksum (str, optional): ``'<algorithm>:<hexadecimal>'`` as :mod:`hashlib` names it, where known.
        note (str): Further instructions.
    """

    name: str
    page: str
    unpack: str
    direct: bool = False
    checksum: str | None = None
    note: str = ''


@dataclass(frozen=True)
class DatasetLayout:
    """Content of the folder of a dataset.

    Attributes:
        title (str): Name of the dataset in messages.
        root (str): Folder that the configs read.
        vocabulary (str): Name of the vocabulary.
        sources (tuple[Source]): Files to download.
        images (dict[str, int]): Image folders below the root, and the number of images in each.
        annotations (dict[str, int]): Annotation files below the root, and the least number of images in each.
    """

    title: str
    root: str
    vocabulary: str
    sources: tuple[Source, ...]
    images: dict[str, int]
    annotations: dict[str, int]


def _direct(address: str, unpack: str, checksum: str, note: str = '') -> Source:
    """A file with a direct address."""
    return Source(address.rpartition('/')[2], address, unpack, True, checksum, note)


_GITHUB = 'https://raw.githubusercontent.com/fredzzhang'
_COCO = 'http://images.cocodataset.org'
DATASET_LAYOUTS = dict(
    hico=DatasetLayout(
        title='HICO-DET',
        root='data/hico_20160224_det',
        vocabulary='hico',
        sources=(
            Source(
                'hico_20160224_det.tar.gz',
                'https://drive.google.com/open?id=1QZcJmGVlF9f4h-XLWe9Gkmnmj2z1gSnk',
                '.',
                note='unpack it so that images/train2015, images/test2015, anno.mat and anno_bbox.mat lie in the root',
            ),
            Source(
                'trainval_hico.json and test_hico.json',
                'https://drive.google.com/open?id=1WI-gsNLS-t0Kh8TVki1wXqc3y2Ow1f2R',
                'annotations',
                note='the files of PPDM; or make them from the release: genvlkt convert hico ROOT',
            ),
            _direct(
                f'{_GITHUB}/hicodet/main/instances_test2015.json',
                'annotations',
                'sha256:cfeaefcc1e006a0d7d205dfba95ac6614341995d18613e016ae650d278757daa',
                'the test annotations of UPT / PViC, which the dataset class reads as well',
            ),
        ),
        images={'images/train2015': 38118, 'images/test2015': 9658},
        annotations={'annotations/trainval_hico.json': 37000, 'annotations/test_hico.json': 9546},
    ),
    vcoco=DatasetLayout(
        title='V-COCO',
        root='data/v-coco',
        vocabulary='vcoco',
        sources=(
            _direct(f'{_COCO}/zips/train2014.zip', 'images', 'md5:0da8c0bd3d6becc4dcb32757491aca88'),
            _direct(f'{_COCO}/zips/val2014.zip', 'images', 'md5:a3d79f5ed8d289b7a7554ce06a5782b3'),
            _direct(
                f'{_COCO}/annotations/annotations_trainval2014.zip', 'coco', 'md5:0a379cfc70b0e71301e0f377548639bd'
            ),
            Source(
                'vcoco_{train,val,test}.json',
                'https://github.com/s-gupta/v-coco',
                'vcoco',
                note='then: genvlkt convert vcoco ROOT/vcoco ROOT/coco/annotations/instances_*2014.json '
                '--out-dir ROOT/annotations',
            ),
            *(
                _direct(
                    f'{_GITHUB}/vcoco/main/instances_vcoco_{split}.json',
                    'annotations',
                    checksum,
                    'annotations of UPT / PViC (the 24 roles with object), which the dataset class reads as well',
                )
                for split, checksum in (
                    ('trainval', 'sha256:a9cd182d9fe4574e6743e43a40367fe524bab08d9cb56377f9be98bc7430d272'),
                    ('test', 'sha256:ccbe12875abb459692d85d2366381240bc883e5fdc22cf15610ea524de062326'),
                )
            ),
        ),
        images={'images/train2014': 82783, 'images/val2014': 40504},
        annotations={'annotations/trainval_vcoco.json': 5400, 'annotations/test_vcoco.json': 4900},
    ),
)


def verify_folder(name: str, root: str | Path, log: Callable[[str], None] = print) -> list[str]:
    """Checks that a folder holds a complete dataset in the layout of the configs.

    Args:
        name (str): Name of the dataset, a key of :data:`DATASET_LAYOUTS`.
        root (str | Path): Root of the dataset.
        log (Callable): Called with a line of text for every part that is complete. Default: print.

    Returns:
        list[str]: One sentence for each missing or wrong part; empty if the dataset is complete.
    """
    layout, root = DATASET_LAYOUTS[name], Path(root)
    if not root.is_dir():
        return [f"Folder '{root}' is missing."]
    problems = []
    listed: dict[str, set[str]] = {}
    for folder, expected in layout.images.items():
        if not (root / folder).is_dir():
            problems.append(f"Image folder '{root / folder}' is missing.")
            continue
        listed[folder] = {path.name for path in (root / folder).iterdir()}
        found = len(listed[folder])
        if found < expected:
            problems.append(f"'{root / folder}' holds {found} of {expected} images.")
        else:
            log(f"'{root / folder}': {found} images.")
    for (file, expected), folder in zip(layout.annotations.items(), layout.images, strict=True):
        try:
            records, family = read_annotations(root / file, load_vocabulary(layout.vocabulary))
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
            continue
        if len(records) < expected:
            problems.append(f"'{root / file}' holds {len(records)} images; {expected} or more are expected.")
        else:
            log(f"'{root / file}': {len(records)} images, of the family '{family}'.")
        absent = [r['file_name'] for r in records if r['file_name'] not in listed.get(folder, {r['file_name']})]
        if absent:
            problems.append(f"'{root / folder}' lacks {len(absent)} images of '{file}', e.g. '{absent[0]}'.")
    return problems


def instructions(name: str, root: str | Path) -> str:
    """Explains which files of a dataset to download, and where to put them. Args: as in :func:`verify_folder`."""
    layout = DATASET_LAYOUTS[name]
    lines = [f'{layout.title} comes in {len(layout.sources)} parts:']
    for i, source in enumerate(layout.sources, 1):
        lines += [f'{i}. {source.name}', f'   from {source.page}', f'   into {Path(root) / source.unpack}']
        lines += [f'   {source.note}'] if source.note else []
    return '\n'.join(lines)


def download_dataset(
    name: str, root: str | Path, timeout: float = 30, progress: bool = False, log: Callable[[str], None] = print
) -> None:
    """Downloads and unpacks all files of a dataset that have a direct address.

    Args:
        name (str): Name of the dataset, a key of :data:`DATASET_LAYOUTS`.
        root (str | Path): Root of the dataset.
        timeout (float): See :func:`download`.
        progress (bool): See :func:`download`.
        log (Callable): Called with a line of text before and after each file. Default: print.

    Raises:
        ConnectionError, OSError, ValueError: See :func:`download`.
    """
    for source in DATASET_LAYOUTS[name].sources:
        if not source.direct:
            continue
        log(f'{source.name} from {source.page}')
        file = download(source, root, timeout, progress)
        target = Path(root) / source.unpack
        target.mkdir(parents=True, exist_ok=True)
        if file.suffix == '.zip':
            shutil.unpack_archive(file, target)
        else:
            shutil.copy(file, target)
        log(f'  done: {target}')


def download(source: Source, root: str | Path, timeout: float = 30, progress: bool = False) -> Path:
    """Downloads a file with a direct address. A complete file is not downloaded again.

    Args:
        source (Source): The file.
        root (str | Path): Root of the dataset. The file is written to its subfolder ``downloads``.
        timeout (float): Seconds to wait for the server. Default: 30.
        progress (bool): Whether to show a progress bar. Default: False.

    Returns:
        Path: The file.

    Raises:
        ConnectionError: If the server cannot be reached or the transfer breaks off.
        OSError: If the file cannot be written.
        ValueError: If the file cannot be fetched directly, or its checksum differs.
    """
    if not source.direct:
        raise ValueError(f"'{source.name}' cannot be fetched by a program: visit {source.page}.")
    target = Path(root) / 'downloads' / source.name
    if not target.is_file():
        with new_file(target) as file, progress_bar(source.name, None, progress) as advance:
            for chunk in _fetched(source.page, timeout, target):
                file.write(chunk)
                advance(len(chunk))
    if source.checksum is not None and not has_checksum(target, source.checksum):
        raise ValueError(f"'{target}' has another checksum than the known one; delete it and fetch it again.")
    return target


def _fetched(page: str, timeout: float, target: Path) -> Iterator[bytes]:
    """Reads a file on a server, part by part."""
    done = total = 0
    try:
        with urllib.request.urlopen(page, timeout=timeout) as reply:
            total = int(reply.headers.get('Content-Length') or 0)
            while chunk := reply.read(1 << 20):
                done += len(chunk)
                yield chunk
    except OSError as error:
        reason = getattr(error, 'reason', error)
        raise ConnectionError(
            f"'{page}' cannot be fetched ({reason}): check the network, or fetch it elsewhere and put it at '{target}'."
        ) from None
    if done < total:
        raise ConnectionError(f"'{page}' broke off after {done} of {total} bytes; run the command again.")


def has_checksum(path: str | Path, checksum: str) -> bool:
    """Whether a file has a checksum ``'<algorithm>:<hexadecimal>'``."""
    algorithm, _, expected = checksum.partition(':')
    digest = hashlib.new(algorithm)
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == expected
