"""The score of a triplet."""

from torch import Tensor


def triplet_scores(hoi_logits: Tensor, obj_logits: Tensor, hoi_objects: Tensor) -> Tensor:
    """Scores every query for every HOI class (section 3.5).

    ``sigmoid(hoi logit) + sigmoid(logit of the class's object)^2``. This is a sigmoid in the authors' code, too, although the
    object classifier is trained with a softmax.

    Args:
        hoi_logits (Tensor): (..., Q, A).
        obj_logits (Tensor): (..., Q, O).
        hoi_objects (Tensor): Object index of each HOI class, (A,).

    Returns:
        Tensor: Scores in [0, 2], (..., Q, A).
    """
    return hoi_logits.sigmoid() + (obj_logits.sigmoid() ** 2).index_select(-1, hoi_objects)
