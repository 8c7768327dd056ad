"""The verbs of ``genvlkt analyze``."""
