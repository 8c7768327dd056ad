"""For all tests: the package comes first, since it makes mmdet importable where mmcv has no compiled operators."""

import genvlkt_mmdet  # noqa: F401
