"""Expands the short form of a vocabulary, as written in YAML, to the full layout of the data files."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from reprlib import repr as short_repr
from typing import Any

from .english import with_article


def expand_vocabulary(data: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the parts that the short form of a vocabulary omits. A full vocabulary is returned unchanged.

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
        ValueError: If a part is missing or of a wrong type, or a name is unknown or given twice.
    """
    name = data.get('name', 'custom')
    if not isinstance(name, str):
        raise ValueError(f'The name of a vocabulary must be a text, not {short_repr(name)}.')
    missing = [key for key in ('objects', 'verbs', 'hois') if not data.get(key)]
    if missing:
        raise ValueError(f"Vocabulary '{name}' lacks {', '.join(repr(key) for key in missing)}.")
    for key in ('objects', 'verbs', 'hois'):
        _check_list(data[key], name, f"'{key}'")
    objects, verbs = (_entries(data[key], name, key) for key in ('objects', 'verbs'))
    for verb in verbs:
        verb.setdefault('phrase', verb['name'].replace('_', ' '))
        _check_text(verb['phrase'], name, f"the phrase of verb '{verb['name']}'")
    hois = [_hoi(hoi, i, objects, verbs, name) for i, hoi in enumerate(data['hois'])]
    pairs = [(hoi['verb'], hoi['object']) for hoi in hois]
    _check_unique([hoi['id'] for hoi in hois], name, 'id of HOI classes')
    prompts = data.get('object_prompts')
    if prompts is None:
        lacking = any(hoi['object'] == len(objects) for hoi in hois)
        prompts = [f'a photo of {with_article(o["name"])}' for o in objects]
        prompts += ['a photo of a person only'] * lacking + ['a photo of nothing']

    _check_list(prompts, name, "'object_prompts'")
    for prompt in prompts:
        _check_text(prompt, name, "an entry of 'object_prompts'")
    splits = data.get('splits') or {}
    if not isinstance(splits, Mapping) or not all(isinstance(key, str) for key in splits):
        raise ValueError(f"Vocabulary '{name}': 'splits' must map names of splits to lists of HOI classes.")

    def indices(classes: Any, key: str) -> list[int]:
        _check_list(classes, name, f"'{key}'")
        return [c if _is_index(c) else _class_index(c, pairs, objects, verbs, name) for c in classes]

    return dict(
        name=name,
        objects=objects,
        verbs=verbs,
        hois=hois,
        object_prompts=list(prompts),
        splits={key: indices(classes, key) for key, classes in splits.items()},
        rare=indices(data.get('rare') or (), 'rare'),
    )


def _entries(entries: Sequence, vocabulary: str, what: str) -> list[dict]:
    filled = []
    for i, entry in enumerate(entries):
        entry = dict(entry) if isinstance(entry, Mapping) else dict(name=entry)
        if not isinstance(entry.get('name'), str) or not entry['name'].strip():
            raise ValueError(f"Vocabulary '{vocabulary}': entry {i} of '{what}' needs a name, a text.")
        filled.append({'id': i + 1, **entry})
        _check_id(filled[-1]['id'], vocabulary, f"entry {i} of '{what}'")
    _check_unique([entry['name'] for entry in filled], vocabulary, f"name in '{what}'")
    _check_unique([entry['id'] for entry in filled], vocabulary, f"id in '{what}'")
    return filled


def _hoi(hoi: Any, i: int, objects: list[dict], verbs: list[dict], vocabulary: str) -> dict:
    if not isinstance(hoi, Mapping) or 'verb' not in hoi:
        raise ValueError(f"Vocabulary '{vocabulary}': HOI class {i} needs `verb` and, unless it has none, `object`.")
    verb = _index(hoi['verb'], verbs, vocabulary, 'verb')
    obj = hoi.get('object')
    obj = len(objects) if obj is None else _index(obj, objects, vocabulary, 'object')
    full = {'id': i + 1, **hoi, 'verb': verb, 'object': obj}
    _check_id(full['id'], vocabulary, f'HOI class {i}')
    if 'prompt' not in full and 0 <= verb < len(verbs):
        target = f' {with_article(objects[obj]["name"])}' if 0 <= obj < len(objects) else ''
        full['prompt'] = f'a photo of a person {verbs[verb]["phrase"]}{target}'
    if 'prompt' in full:
        _check_text(full['prompt'], vocabulary, f'the prompt of HOI class {i}')
    return full


def _index(key: Any, entries: list[dict], vocabulary: str, what: str) -> int:
    if _is_index(key):
        return int(key)
    names = [entry['name'] for entry in entries]
    if key not in names:
        raise ValueError(
            f"Vocabulary '{vocabulary}': {what} {short_repr(key)} of an HOI class is not among its {what}s."
        )
    return names.index(key)


def _class_index(hoi: Any, pairs: list[tuple], objects: list[dict], verbs: list[dict], vocabulary: str) -> int:
    if not isinstance(hoi, Mapping) or 'verb' not in hoi:
        raise ValueError(
            f"Vocabulary '{vocabulary}': {short_repr(hoi)} in `rare` or `splits` is neither the index of an HOI class nor its "
            '`verb` and `object`.'
        )
    full = _hoi(hoi, 0, objects, verbs, vocabulary)
    pair = (full['verb'], full['object'])
    if pair not in pairs:
        raise ValueError(
            f"Vocabulary '{vocabulary}': {short_repr(dict(hoi))} in `rare` or `splits` is none of its HOI classes."
        )
    return pairs.index(pair)


def _check_unique(values: Sequence, vocabulary: str, what: str) -> None:
    known = set()
    for value in values:
        if value in known:
            raise ValueError(f"Vocabulary '{vocabulary}': {what} {value!r} is given twice.")
        known.add(value)


def _check_list(value: Any, vocabulary: str, what: str) -> None:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise ValueError(f"Vocabulary '{vocabulary}': {what} must be a list.")


def _check_text(value: Any, vocabulary: str, what: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"Vocabulary '{vocabulary}': {what} must be a text, not {short_repr(value)}.")


def _check_id(value: Any, vocabulary: str, what: str) -> None:
    # as large as the ids of annotation files can be in an array
    if not _is_index(value) or not 0 <= value < 2**63:
        raise ValueError(
            f"Vocabulary '{vocabulary}': the id of {what} must be a whole number from 0 to 2^63 - 1, not {short_repr(value)}."
        )


def _is_index(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
