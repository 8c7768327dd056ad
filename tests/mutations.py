"""Valid files, and systematic damage to them: every field gets every kind of wrong value."""

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

DEEP: Any = []
for _ in range(50):
    DEEP = [DEEP]

WRONG = {
    'null': None,
    'text': 'text',
    'list': [],
    'list of null': [None],
    'dict': {},
    'true': True,
    'negative': -7,
    'fraction': 0.5,
    'huge': 10**30,
    'huge fraction': 1e300,
    'NaN': float('nan'),
    'nested': DEEP,
}


# A valid file of V-COCO's release, and the COCO instances that belong to it.
VSRL = [
    dict(action_name='hold', role_name=['agent', 'obj'], image_id=[7], ann_id=[70], label=[1], role_object_id=[70, 71])
]
COCO = dict(
    images=[dict(id=7, file_name='a.png', width=60, height=40)],
    annotations=[
        dict(id=70, image_id=7, category_id=1, bbox=[5, 5, 20, 30], area=600, iscrowd=0),
        dict(id=71, image_id=7, category_id=47, bbox=[20, 10, 10, 10], area=100, iscrowd=0),
    ],
    categories=[dict(id=1, name='person')],
)


def mutations(content: Any, path: tuple = ()) -> Iterator[tuple[str, Any]]:
    """Copies of a JSON content with one value missing or wrong.

    Args:
        content (Any): Valid content; of a list only the first entry is damaged.
        path (tuple): Where in the whole content this part stands.

    Yields:
        tuple[str, Any]: What was done, and the damaged content.
    """
    where = '.'.join(map(str, path)) or 'all'
    for what, value in WRONG.items():
        yield f'{where}: {what}', value
    if isinstance(content, dict):
        for key, value in content.items():
            yield f'{where}: without {key}', {k: v for k, v in content.items() if k != key}
            for name, part in mutations(value, (*path, key)):
                yield name, {**content, key: part}
    elif isinstance(content, list) and content:
        for name, part in mutations(content[0], (*path, 0)):
            yield name, [part, *content[1:]]


def texts(content: Any) -> Iterator[tuple[str, bytes]]:
    """Files that are no readable JSON at all.

    Args:
        content (Any): Valid content.

    Yields:
        tuple[str, bytes]: What is wrong, and the file's bytes.
    """
    text = json.dumps(content)
    yield 'empty', b''
    yield 'truncated', text[: len(text) // 2].encode()
    yield 'not UTF-8', b'\xff\xfe\xfa' + text.encode()
    yield 'deep', b'[' * 20000 + b']' * 20000
    yield 'deep in a record', b'[{"file_name": ' + b'[' * 20000 + b']' * 20000 + b'}]'
    yield '5,000 digits', b'[{"file_name": ' + b'7' * 5000 + b'}]'
    yield 'no JSON', b'person: [riding'


def error_of(run: Callable[[], Any], names: Sequence[str], what: str) -> str | None:
    """The sentence that a run ends with.

    Args:
        run (Callable): Reads a damaged file.
        names (Sequence[str]): Files of which the sentence must name one.
        what (str): What was damaged.

    Returns:
        str | None: The sentence of a ValueError; None when the run ends well.

    Raises:
        AssertionError: If the run ends in any other way.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            run()
    except ValueError as error:
        text = str(error)
        assert type(error) is ValueError, f'{what}: {type(error).__name__}: {text}'
        assert any(name in text for name in names) and '\n' not in text and len(text) < 700, f'{what}: {text}'
        return text
    except Exception as error:
        raise AssertionError(f'{what}: {type(error).__name__}: {error}') from error
    return None
