from .clip_prior import CLIPPrior
from .hoi_hungarian_assigner import HOIHungarianAssigner, PairMatches
from .match_cost import HOIClassCost, HOIObjectClassCost, HOIPairGIoUCost, HOIPairL1Cost
from .triplet_nms import HOITripletNMS
from .triplet_score import triplet_scores
from .triplet_selection import TopHOITriplets, VerbHOITriplets

__all__ = [
    'CLIPPrior',
    'HOIClassCost',
    'HOIHungarianAssigner',
    'HOIObjectClassCost',
    'HOIPairGIoUCost',
    'HOIPairL1Cost',
    'PairMatches',
    'TopHOITriplets',
    'HOITripletNMS',
    'VerbHOITriplets',
    'triplet_scores',
]
