"""V-COCO's verbs as actions and roles."""

from .hoi_vocabulary import HOIVocabulary


def action_slots(vocabulary: HOIVocabulary) -> tuple[list[str], list[tuple[int, int | None]]]:
    """Splits V-COCO's verbs into actions and roles.

    Args:
        vocabulary (HOIVocabulary): V-COCO's vocabulary; verbs are named ``action_role`` or ``action``.

    Returns:
        tuple: The actions' names in their official order, and per verb the action's index and which of the action's
        roles (0 or 1) it is, None for an action without object.
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
