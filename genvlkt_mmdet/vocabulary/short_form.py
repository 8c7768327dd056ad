"""Expands the short form of a vocabulary, as written in YAML, to the full layout of the data files, and checks both."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from reprlib import repr as short_repr
from typing import Any

from .english import with_article


def expand_vocabulary(data: Mapping[str, Any]) -> dict[str, Any]:
    """Checks a vocabulary and adds the parts that its short form omits.

    In the short form:

    - Objects and verbs can be plain names. Ids then count from 1.
    - HOI classes can have names instead of indices for verb and object. ``object`` is omitted if the verb needs none.
    - The default prompt is the paper's template (Sec. 3.3), 'a photo of a person <verb phrase> a <object>'.
    - Classes in ``rare`` and ``splits`` can be written as ``{verb: ..., object: ...}``.

    Args:
        data (Mapping): Content of a vocabulary file.

    Returns:
        dict[str, Any]: The full layout.

    Raises:
        ValueError: If a part is missing or of a wrong type, a name is unknown or given twice, two classes are equal, or
            counts disagree.
    """
    name = data.get('name', 'custom')
    if not isinstance(name, str):
        raise ValueError(f'The name of a vocabulary must be a text, not {short_repr(name)}.')
    missing = [key for key in ('objects', 'verbs', 'hois') if not data.get(key)]
    if missing:
        raise ValueError(f"Vocabulary '{name}' lacks {', '.join(repr(key) for key in missing)}.")
    try:
        return dict(name=name, **_expand(data))
    except ValueError as error:
        raise ValueError(f"Vocabulary '{name}': {error}") from None


def _expand(data: Mapping[str, Any]) -> dict[str, Any]:
    objects, verbs = (_entries(_list(data[key], f"'{key}'"), key) for key in ('objects', 'verbs'))
    for verb in verbs:
        verb.setdefault('phrase', verb['name'].replace('_', ' '))
        _check_text(verb['phrase'], f"the phrase of verb '{verb['name']}'")
    hois = [_hoi(hoi, i, objects, verbs) for i, hoi in enumerate(_list(data['hois'], "'hois'"))]
    _check_unique([hoi['id'] for hoi in hois], 'id of HOI classes')
    pairs = [(hoi['verb'], hoi['object']) for hoi in hois]
    prompts = data.get('object_prompts')
    if prompts is None:
        lacking = any(obj == len(objects) for _, obj in pairs)
        prompts = [f'a photo of {with_article(o["name"])}' for o in objects]
        prompts += ['a photo of a person only'] * lacking + ['a photo of nothing']
    for prompt in _list(prompts, "'object_prompts'"):
        _check_text(prompt, "an entry of 'object_prompts'")
    num_objects = len(prompts) - 1  # includes 'person only'
    if num_objects - len(objects) not in (0, 1):
        raise ValueError(
            "object_prompts needs one entry per object plus 'nothing' (and 'person only' before it where pairs may lack "
            f'an object), but has {len(prompts)} for {len(objects)} objects.'
        )
    first: dict[tuple[int, int], int] = {}
    for i, (verb, obj) in enumerate(pairs):
        if not 0 <= verb < len(verbs) or not 0 <= obj < num_objects:
            raise ValueError(
                f'HOI class {i} names verb {verb} and object {obj}, but there are {len(verbs)} verbs and {num_objects} '
                'objects.'
            )
        if (other := first.setdefault((verb, obj), i)) != i:
            raise ValueError(f'HOI classes {other} and {i} are both verb {verb} with object {obj}.')
    splits = data.get('splits') or {}
    if not isinstance(splits, Mapping) or not all(isinstance(key, str) for key in splits):
        raise ValueError("'splits' must map names of splits to lists of HOI classes.")

    def indices(classes: Any, key: str) -> list[int]:
        found = [c if _is_index(c) else _class_index(c, first, objects, verbs) for c in _list(classes, f"'{key}'")]
        if any(not 0 <= i < len(hois) for i in found):
            raise ValueError(f"'{key}' names an HOI class outside 0..{len(hois) - 1}.")
        return found

    return dict(
        objects=objects,
        verbs=verbs,
        hois=hois,
        object_prompts=list(prompts),
        splits={key: indices(classes, key) for key, classes in splits.items()},
        rare=indices(data.get('rare') or (), 'rare'),
    )


def _entries(entries: Sequence, what: str) -> list[dict]:
    filled = []
    for i, entry in enumerate(entries):
        entry = dict(entry) if isinstance(entry, Mapping) else dict(name=entry)
        if not isinstance(entry.get('name'), str) or not entry['name'].strip():
            raise ValueError(f"entry {i} of '{what}' needs a name, a text.")
        filled.append({'id': i + 1, **entry})
        _check_id(filled[-1]['id'], f"entry {i} of '{what}'")
    for key in ('name', 'id'):
        _check_unique([entry[key] for entry in filled], f"{key} in '{what}'")
    return filled


def _hoi(hoi: Any, i: int, objects: list[dict], verbs: list[dict]) -> dict:
    if not isinstance(hoi, Mapping) or 'verb' not in hoi:
        raise ValueError(f'HOI class {i} needs `verb` and, unless it has none, `object`.')
    verb, obj = _pair(hoi, objects, verbs)
    full = {'id': i + 1, **hoi, 'verb': verb, 'object': obj}
    _check_id(full['id'], f'HOI class {i}')
    if 'prompt' not in full and 0 <= verb < len(verbs):
        target = f' {with_article(objects[obj]["name"])}' if 0 <= obj < len(objects) else ''
        full['prompt'] = f'a photo of a person {verbs[verb]["phrase"]}{target}'
    if 'prompt' in full:
        _check_text(full['prompt'], f'the prompt of HOI class {i}')
    return full


def _pair(hoi: Mapping, objects: list[dict], verbs: list[dict]) -> tuple[int, int]:
    obj = hoi.get('object')
    return _index(hoi['verb'], verbs, 'verb'), len(objects) if obj is None else _index(obj, objects, 'object')


def _index(key: Any, entries: list[dict], what: str) -> int:
    if _is_index(key):
        return int(key)
    names = [entry['name'] for entry in entries]
    if key not in names:
        raise ValueError(f'{what} {short_repr(key)} of an HOI class is not among its {what}s.')
    return names.index(key)


def _class_index(hoi: Any, classes: Mapping, objects: list[dict], verbs: list[dict]) -> int:
    if not isinstance(hoi, Mapping) or 'verb' not in hoi:
        raise ValueError(
            f'{short_repr(hoi)} in `rare` or `splits` is neither the index of an HOI class nor its `verb` and `object`.'
        )
    if (pair := _pair(hoi, objects, verbs)) not in classes:
        raise ValueError(f'{short_repr(dict(hoi))} in `rare` or `splits` is none of its HOI classes.')
    return classes[pair]


def _check_unique(values: Sequence, what: str) -> None:
    known = set()
    for value in values:
        if value in known:
            raise ValueError(f'{what} {value!r} is given twice.')
        known.add(value)


def _list(value: Any, what: str) -> Sequence:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise ValueError(f'{what} must be a list.')
    return value


def _check_text(value: Any, what: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'{what} must be a text, not {short_repr(value)}.')


def _check_id(value: Any, what: str) -> None:
    # Annotation files store ids as 64-bit integers.
    if not _is_index(value) or not 0 <= value < 2**63:
        raise ValueError(f'the id of {what} must be a whole number from 0 to 2^63 - 1, not {short_repr(value)}.')


def _is_index(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
