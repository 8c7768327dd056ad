"""The verbs of ``genvlkt convert``."""
