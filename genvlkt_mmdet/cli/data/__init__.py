"""The verbs of ``genvlkt data``."""
