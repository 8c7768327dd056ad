from . import compat  # noqa: F401  (before any mmdet import)
