"""The HOI vocabulary: objects, verbs, HOI classes, prompts and zero-shot splits from data files."""

import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from .short_form import expand_vocabulary

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class HOIVocabulary:
    """Objects, verbs and HOI classes of a dataset.

    All indices are zero-based and contiguous. ``*_ids`` are the ids in annotation files.

    Attributes:
        name (str): Name of the vocabulary, e.g. ``'hico'``.
        object_names (tuple[str]): O names of the object classes, including 'person'.
        object_ids (tuple[int]): Their ids in annotation files (COCO ids for HICO-DET and V-COCO).
        verb_names (tuple[str]): V verb names (V-COCO: action and role, e.g. ``'hold_obj'``).
        verb_ids (tuple[int]): Their ids in annotation files.
        verb_phrases (tuple[str]): Their readable forms, e.g. ``'holding'``.
        hoi_verbs (tuple[int]): Verb index of each of the A HOI classes.
        hoi_objects (tuple[int]): Object index of each HOI class, ``no_object`` if the class has none.
        hoi_ids (tuple[int]): Ids of the HOI classes in annotation files.
        hoi_prompts (tuple[str]): Text of each HOI class for the CLIP text encoder.
        object_prompts (tuple[str]): Text of each object logit. It is longer than ``object_names``: the last entry is
            'nothing', and before it is 'person only' if ``has_no_object``.
        splits (dict[str, tuple[int]]): Unseen HOI indices of each zero-shot split.
        rare (tuple[int]): HOI indices with few training instances. Empty if the dataset defines none.
    """

    name: str
    object_names: tuple[str, ...]
    object_ids: tuple[int, ...]
    verb_names: tuple[str, ...]
    verb_ids: tuple[int, ...]
    verb_phrases: tuple[str, ...]
    hoi_verbs: tuple[int, ...]
    hoi_objects: tuple[int, ...]
    hoi_ids: tuple[int, ...]
    hoi_prompts: tuple[str, ...]
    object_prompts: tuple[str, ...]
    splits: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    rare: tuple[int, ...] = ()

    @property
    def num_objects(self) -> int:
        """Number of object classes, without 'person only' and 'nothing'."""
        return len(self.object_names)

    @property
    def num_verbs(self) -> int:
        """Number of verbs."""
        return len(self.verb_names)

    @property
    def num_hois(self) -> int:
        """Number of HOI classes."""
        return len(self.hoi_verbs)

    @property
    def num_object_logits(self) -> int:
        """Number of classes of the object classifier, including 'nothing'."""
        return len(self.object_prompts)

    @property
    def has_no_object(self) -> bool:
        """Whether some pairs have no object, as in V-COCO ('person only')."""
        return self.num_object_logits == self.num_objects + 2

    @property
    def no_object(self) -> int:
        """Index of 'person only' (V-COCO: 80)."""
        return self.num_objects

    def hoi_index(self, verb: str | int, obj: str | int | None) -> int:
        """Index of the HOI class of a verb and an object.

        Args:
            verb (str | int): Verb name or index.
            obj (str | int, optional): Object name or index. None for a class without object.

        Raises:
            KeyError: If a name is unknown (the message lists similar names) or the combination is not a class.
        """
        v = self._index(verb, self.verb_names, 'verb')
        o = self.no_object if obj is None else self._index(obj, self.object_names, 'object')
        pairs = list(zip(self.hoi_verbs, self.hoi_objects, strict=True))
        if (v, o) in pairs:
            return pairs.index((v, o))
        name = self.object_names[o] if o < self.num_objects else 'no object'
        raise KeyError(f"'{self.verb_names[v]}' with '{name}' is no HOI class of '{self.name}'.")

    def seen(self, split: str | None) -> tuple[int, ...]:
        """HOI indices that training with a zero-shot split uses, in ascending order. None: all classes."""
        unseen = set(self.unseen(split))
        return tuple(i for i in range(self.num_hois) if i not in unseen)

    def unseen(self, split: str | None) -> tuple[int, ...]:
        """Unseen HOI indices of a zero-shot split, in ascending order. Empty for None.

        Raises:
            KeyError: If the vocabulary has no such split.
        """
        if split is None:
            return ()
        if split not in self.splits:
            raise KeyError(
                f"'{self.name}' has no zero-shot split '{split}'; it has: {', '.join(self.splits) or 'none'}."
            )
        return tuple(sorted(self.splits[split]))

    def phrase(self, hoi: int) -> str:
        """Readable phrase of an HOI class, e.g. ``'person riding a horse'``."""
        return re.sub('^(a photo of a|a picture of a|an?) ', '', self.hoi_prompts[hoi])

    def __deepcopy__(self, memo: dict) -> 'HOIVocabulary':
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # Plain containers, so that a checkpoint that holds a vocabulary loads safely.
        return restore_vocabulary, (self.to_dict(),)

    def _index(self, key: str | int, names: tuple[str, ...], kind: str) -> int:
        if isinstance(key, str):
            if key in names:
                return names.index(key)
            near = difflib.get_close_matches(key, names, n=3, cutoff=0.5)
            hint = f' Did you mean {", ".join(repr(n) for n in near)}?' if near else ''
            raise KeyError(f"Unknown {kind} '{key}' in vocabulary '{self.name}'.{hint}")
        if not 0 <= key < len(names):
            raise KeyError(f"{kind} index {key} is out of range: vocabulary '{self.name}' has {len(names)}.")
        return int(key)

    def to_dict(self) -> dict[str, Any]:
        """The vocabulary as plain containers, in the layout of the data files."""
        return dict(
            name=self.name,
            objects=[dict(id=i, name=n) for i, n in zip(self.object_ids, self.object_names, strict=True)],
            verbs=[
                dict(id=i, name=n, phrase=p)
                for i, n, p in zip(self.verb_ids, self.verb_names, self.verb_phrases, strict=True)
            ],
            hois=[
                dict(id=i, verb=v, object=o, prompt=p)
                for i, v, o, p in zip(self.hoi_ids, self.hoi_verbs, self.hoi_objects, self.hoi_prompts, strict=True)
            ],
            object_prompts=list(self.object_prompts),
            splits={k: list(v) for k, v in self.splits.items()},
            rare=list(self.rare),
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> 'HOIVocabulary':
        """Inverse of :meth:`to_dict`, also for the short form. See :func:`expand_vocabulary`."""
        data = expand_vocabulary(data)
        objects, verbs, hois = data['objects'], data['verbs'], data['hois']
        return cls(
            name=data['name'],
            object_names=tuple(o['name'] for o in objects),
            object_ids=tuple(o['id'] for o in objects),
            verb_names=tuple(v['name'] for v in verbs),
            verb_ids=tuple(v['id'] for v in verbs),
            verb_phrases=tuple(v.get('phrase', v['name']) for v in verbs),
            hoi_verbs=tuple(h['verb'] for h in hois),
            hoi_objects=tuple(h['object'] for h in hois),
            hoi_ids=tuple(h['id'] for h in hois),
            hoi_prompts=tuple(h['prompt'] for h in hois),
            object_prompts=tuple(data['object_prompts']),
            splits={key: tuple(classes) for key, classes in data['splits'].items()},
            rare=tuple(data['rare']),
        )


def restore_vocabulary(data: Mapping[str, Any]) -> HOIVocabulary:
    """Restores a vocabulary from a pickle. This is a function, because torch's safe loading allows functions by name."""
    return HOIVocabulary.from_dict(data)


def load_vocabulary(source: 'str | Path | Mapping[str, Any] | HOIVocabulary') -> HOIVocabulary:
    """Loads a vocabulary.

    Args:
        source (str | Path | Mapping | HOIVocabulary): A shipped name (``'hico'``, ``'vcoco'``, ``'minihoi'``), a
            ``.json`` or ``.yaml`` file in the same layout or in the short form of :func:`expand_vocabulary`, the content
            of such a file, or a vocabulary.

    Raises:
        FileNotFoundError: If the source is neither a shipped name nor a file.
        ValueError: If the content is inconsistent.
    """
    if isinstance(source, HOIVocabulary):
        return source
    if isinstance(source, Mapping):
        return HOIVocabulary.from_dict(source)
    if not isinstance(source, (str, Path)):
        raise ValueError(f'A vocabulary is a name, a file or its content, not {type(source).__name__}.')
    shipped = _FOLDER / f'{source}.json'
    path = shipped if os.path.isfile(shipped) else Path(source)
    if not os.path.isfile(path):  # unlike the method of Path, False for names that no file can have
        names = ', '.join(sorted(p.stem for p in _FOLDER.glob('*.json')))
        raise FileNotFoundError(f"'{source}' is neither a shipped vocabulary ({names}) nor a file.")
    return _load(str(path), path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _load(path: str, mtime: int) -> HOIVocabulary:
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError:
        raise ValueError(f"Vocabulary file '{path}' is no text in UTF-8.") from None
    try:
        data = json.loads(text) if path.endswith('.json') else yaml.safe_load(text)
    except RecursionError:
        raise ValueError(f"Vocabulary file '{path}' does not parse: it is nested too deeply.") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        # Apart from syntax errors: numbers of too many digits, and what PyYAML raises for tags with a wrong value.
        raise ValueError(f"Vocabulary file '{path}' does not parse: {' '.join(str(error).split())}") from None
    if not isinstance(data, Mapping):
        raise ValueError(f"Vocabulary file '{path}' must hold a mapping with 'objects', 'verbs' and 'hois'.")
    try:
        return HOIVocabulary.from_dict(data)
    except ValueError as error:
        raise ValueError(f"Vocabulary file '{path}': {error}") from None


def action_slots(vocabulary: HOIVocabulary) -> tuple[list[str], list[tuple[int, int | None]]]:
    """Splits V-COCO's verbs into actions and roles.

    Args:
        vocabulary (HOIVocabulary): V-COCO's vocabulary. Verbs are named ``action_role`` or ``action``.

    Returns:
        tuple: Names of the actions in their official order, and for each verb the index of its action and its role (0 or 1,
        None for an action without object).
    """
    actions: dict[str, int] = {}
    slots: list[tuple[int, int | None]] = []
    for verb in vocabulary.verb_names:
        action, _, role = verb.rpartition('_')
        if role not in ('obj', 'instr'):
            action, role = verb, ''
        known = action in actions
        index = actions.setdefault(action, len(actions))
        slots.append((index, int(known) if role else None))
    return list(actions), slots
