"""Download sources of the datasets, and checks of a dataset folder."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..vocabulary import load_vocabulary
from .formats import read_annotations


@dataclass(frozen=True)
class Source:
    """A file to download.

    Attributes:
        name (str): File name.
        page (str): Address of a page, or with ``direct`` of the file.
        unpack (str): Folder for its content, relative to the dataset's root.
        direct (bool): Whether ``page`` is a direct link.
        checksum (str, optional): ``'<algorithm>:<hexadecimal>'``, with a :mod:`hashlib` algorithm, if known.
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
    """Required content of a dataset's folder.

    Attributes:
        title (str): Display name.
        vocabulary (str): Name of the vocabulary.
        sources (tuple[Source]): Files to download.
        images (dict[str, int]): Image folders relative to the root, and the number of images in each.
        annotations (dict[str, int]): Annotation files relative to the root, and the minimum number of images in each.
    """

    title: str
    vocabulary: str
    sources: tuple[Source, ...]
    images: dict[str, int]
    annotations: dict[str, int]


_GITHUB = 'https://raw.githubusercontent.com/fredzzhang'
_COCO = 'http://images.cocodataset.org'
DATASETS = dict(
    hico=DatasetLayout(
        title='HICO-DET',
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
                note='the files of PPDM; or make them from the release: python tools/dataset_converters/hico_det.py ROOT',
            ),
            Source(
                'instances_test2015.json',
                f'{_GITHUB}/hicodet/main/instances_test2015.json',
                'annotations',
                direct=True,
                checksum='sha256:cfeaefcc1e006a0d7d205dfba95ac6614341995d18613e016ae650d278757daa',
                note='the test annotations of UPT / PViC, which the dataset class reads as well',
            ),
        ),
        images={'images/train2015': 38118, 'images/test2015': 9658},
        annotations={'annotations/trainval_hico.json': 37000, 'annotations/test_hico.json': 9546},
    ),
    vcoco=DatasetLayout(
        title='V-COCO',
        vocabulary='vcoco',
        sources=(
            Source(
                'train2014.zip',
                f'{_COCO}/zips/train2014.zip',
                'images',
                direct=True,
                checksum='md5:0da8c0bd3d6becc4dcb32757491aca88',
            ),
            Source(
                'val2014.zip',
                f'{_COCO}/zips/val2014.zip',
                'images',
                direct=True,
                checksum='md5:a3d79f5ed8d289b7a7554ce06a5782b3',
            ),
            Source(
                'annotations_trainval2014.zip',
                f'{_COCO}/annotations/annotations_trainval2014.zip',
                'coco',
                direct=True,
                checksum='md5:0a379cfc70b0e71301e0f377548639bd',
            ),
            Source(
                'vcoco_{train,val,test}.json',
                'https://github.com/s-gupta/v-coco',
                'vcoco',
                note='then: python tools/dataset_converters/vcoco.py ROOT/vcoco ROOT/coco/annotations/instances_*2014.json '
                '--out-dir ROOT/annotations',
            ),
            Source(
                'instances_vcoco_trainval.json',
                f'{_GITHUB}/vcoco/main/instances_vcoco_trainval.json',
                'annotations',
                direct=True,
                checksum='sha256:a9cd182d9fe4574e6743e43a40367fe524bab08d9cb56377f9be98bc7430d272',
                note='annotations of UPT / PViC (the 24 roles with object), which the dataset class reads as well',
            ),
            Source(
                'instances_vcoco_test.json',
                f'{_GITHUB}/vcoco/main/instances_vcoco_test.json',
                'annotations',
                direct=True,
                checksum='sha256:ccbe12875abb459692d85d2366381240bc883e5fdc22cf15610ea524de062326',
                note='annotations of UPT / PViC (the 24 roles with object), which the dataset class reads as well',
            ),
        ),
        images={'images/train2014': 82783, 'images/val2014': 40504},
        annotations={'annotations/trainval_vcoco.json': 5400, 'annotations/test_vcoco.json': 4900},
    ),
)


def verify_folder(name: str, root: str | Path, report: Callable[[str], None] = print) -> list[str]:
    """Checks that a folder contains a dataset in the layout of the configs.

    Args:
        name (str): Name of the dataset, a key of :data:`DATASETS`.
        root (str | Path): Root of the dataset.
        report (Callable): Called with a line for each passed check.

    Returns:
        list[str]: One sentence for each problem. Empty if there is none.
    """
    layout, root = DATASETS[name], Path(root)
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
            report(f"'{root / folder}': {found} images.")
    for (file, expected), folder in zip(layout.annotations.items(), layout.images, strict=True):
        try:
            records, family = read_annotations(root / file, load_vocabulary(layout.vocabulary))
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
            continue
        if len(records) < expected:
            problems.append(f"'{root / file}' holds {len(records)} images; {expected} or more are expected.")
        else:
            report(f"'{root / file}': {len(records)} images, of the family '{family}'.")
        absent = [r['file_name'] for r in records if r['file_name'] not in listed.get(folder, {r['file_name']})]
        if absent:
            problems.append(f"'{root / folder}' lacks {len(absent)} images of '{file}', e.g. '{absent[0]}'.")
    return problems


def instructions(name: str, root: str | Path) -> str:
    """Instructions for downloading a dataset.

    Args:
        name (str): Name of the dataset, a key of :data:`DATASETS`.
        root (str | Path): Root of the dataset.

    Returns:
        str: Several lines.
    """
    layout = DATASETS[name]
    lines = [f'{layout.title} comes in {len(layout.sources)} parts:']
    for i, source in enumerate(layout.sources, 1):
        lines += [f'{i}. {source.name}', f'   from {source.page}', f'   into {Path(root) / source.unpack}']
        lines += [f'   {source.note}'] if source.note else []
    return '\n'.join(lines)


def download(
    source: Source, root: str | Path, timeout: float = 30, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Downloads a file with a direct link. A complete file is not downloaded again.

    Args:
        source (Source): The file.
        root (str | Path): Root of the dataset. The file is stored in ``downloads``.
        timeout (float): Seconds to wait for the server.
        progress (Callable, optional): Called with the downloaded bytes and the total (0: unknown).

    Returns:
        Path: The file.

    Raises:
        ConnectionError: If the server cannot be reached or the download stops early.
        ValueError: If there is no direct link, or if the checksum differs.
    """
    if not source.direct:
        raise ValueError(f"'{source.name}' cannot be fetched by a program: visit {source.page}.")
    target = Path(root) / 'downloads' / source.name
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + '.part')
        try:
            with urllib.request.urlopen(source.page, timeout=timeout) as reply, part.open('wb') as file:
                total, done = int(reply.headers.get('Content-Length') or 0), 0
                while chunk := reply.read(1 << 20):
                    file.write(chunk)
                    done += len(chunk)
                    if progress is not None:
                        progress(done, total)
        except (urllib.error.URLError, TimeoutError, ConnectionError, OSError) as error:
            part.unlink(missing_ok=True)
            reason = getattr(error, 'reason', error)
            raise ConnectionError(
                f"'{source.page}' cannot be fetched ({reason}): check the network, or fetch it elsewhere and put it at "
                f"'{target}'."
            ) from None
        if total and done < total:
            part.unlink()
            raise ConnectionError(f"'{source.page}' broke off after {done} of {total} bytes; run the command again.")
        part.replace(target)
    if source.checksum is not None and not has_checksum(target, source.checksum):
        raise ValueError(f"'{target}' has another checksum than the known one; delete it and fetch it again.")
    return target


def has_checksum(path: str | Path, checksum: str) -> bool:
    """Whether a file has the given checksum.

    Args:
        path (str | Path): The file.
        checksum (str): ``'<algorithm>:<hexadecimal>'``.

    Returns:
        bool: Whether they agree.
    """
    algorithm, _, expected = checksum.partition(':')
    digest = hashlib.new(algorithm)
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == expected
