"""The short form of a vocabulary, as people write it in YAML, filled up to the full layout of the data files."""

from collections.abc import Mapping, Sequence
from typing import Any


def expand_vocabulary(data: Mapping[str, Any]) -> dict[str, Any]:
    """Fills in what a vocabulary leaves out; a full one comes back as it is.

    Objects and verbs may be plain names; HOI classes may name verb and object instead of giving indices, and have no
    ``object`` where a verb stands alone; ids count from 1; prompts follow the paper's template (Sec. 3.3), 'a photo of a
    person <verb phrase> a <object>'; ``rare`` and ``splits`` may name classes as ``{verb: ..., object: ...}``.

    Args:
        data (Mapping): Content of a vocabulary file.

    Returns:
        dict[str, Any]: The full layout.

    Raises:
        ValueError: If a part is missing, or a name is unknown or given twice.
    """
    name = data.get('name', 'custom')
    missing = [key for key in ('objects', 'verbs', 'hois') if not data.get(key)]
    if missing:
        raise ValueError(f"Vocabulary '{name}' lacks {', '.join(repr(key) for key in missing)}.")
    for key in ('objects', 'verbs', 'hois'):
        if not isinstance(data[key], Sequence) or isinstance(data[key], str):
            raise ValueError(f"Vocabulary '{name}': '{key}' must be a list.")
    objects, verbs = (_entries(data[key], name, key) for key in ('objects', 'verbs'))
    for verb in verbs:
        verb.setdefault('phrase', verb['name'].replace('_', ' '))
    hois = [_hoi(hoi, i, objects, verbs, name) for i, hoi in enumerate(data['hois'])]
    pairs = [(hoi['verb'], hoi['object']) for hoi in hois]
    _check_unique([hoi['id'] for hoi in hois], name, 'id of HOI classes')
    prompts = data.get('object_prompts')
    if prompts is None:
        lacking = any(hoi['object'] == len(objects) for hoi in hois)
        prompts = [f'a photo of {with_article(o["name"])}' for o in objects]
        prompts += ['a photo of a person only'] * lacking + ['a photo of nothing']

    def indices(classes: Sequence) -> list[int]:
        return [c if isinstance(c, int) else _class_index(c, pairs, objects, verbs, name) for c in classes]

    return dict(
        name=name,
        objects=objects,
        verbs=verbs,
        hois=hois,
        object_prompts=list(prompts),
        splits={key: indices(classes) for key, classes in (data.get('splits') or {}).items()},
        rare=indices(data.get('rare') or ()),
    )


def _entries(entries: Sequence, vocabulary: str, what: str) -> list[dict]:
    filled = []
    for i, entry in enumerate(entries):
        entry = dict(entry) if isinstance(entry, Mapping) else dict(name=entry)
        if not isinstance(entry.get('name'), str):
            raise ValueError(f"Vocabulary '{vocabulary}': entry {i} of '{what}' needs a name, a text.")
        filled.append({'id': i + 1, **entry})
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
    if 'prompt' not in full and 0 <= verb < len(verbs):
        target = f' {with_article(objects[obj]["name"])}' if 0 <= obj < len(objects) else ''
        full['prompt'] = f'a photo of a person {verbs[verb]["phrase"]}{target}'
    return full


def _index(key: Any, entries: list[dict], vocabulary: str, what: str) -> int:
    if isinstance(key, int):
        return key
    names = [entry['name'] for entry in entries]
    if key not in names:
        raise ValueError(f"Vocabulary '{vocabulary}': {what} '{key}' of an HOI class is not among its {what}s.")
    return names.index(key)


def _class_index(hoi: Mapping, pairs: list[tuple], objects: list[dict], verbs: list[dict], vocabulary: str) -> int:
    full = _hoi(hoi, 0, objects, verbs, vocabulary)
    pair = (full['verb'], full['object'])
    if pair not in pairs:
        raise ValueError(f"Vocabulary '{vocabulary}': {dict(hoi)} in `rare` or `splits` is none of its HOI classes.")
    return pairs.index(pair)


def _check_unique(values: Sequence, vocabulary: str, what: str) -> None:
    known = set()
    for value in values:
        if value in known:
            raise ValueError(f"Vocabulary '{vocabulary}': {what} {value!r} is given twice.")
        known.add(value)


def with_article(name: str) -> str:
    """An object's name as it stands in prompts, e.g. ``'a cell phone'`` of ``'cell_phone'``."""
    return f'{"an" if name[:1].lower() in "aeiou" else "a"} {name.replace("_", " ")}'
