from .hoi_hungarian_assigner import HOIHungarianAssigner, PairMatches
from .match_cost import HOIClassCost, ObjectClassCost, PairGIoUCost, PairL1Cost
from .triplet_nms import TripletNMS
from .triplet_score import triplet_scores
from .triplet_selection import TopTriplets, VerbTriplets

__all__ = [
    'HOIClassCost',
    'HOIHungarianAssigner',
    'ObjectClassCost',
    'PairGIoUCost',
    'PairL1Cost',
    'PairMatches',
    'TopTriplets',
    'TripletNMS',
    'VerbTriplets',
    'triplet_scores',
]
