"""Colours of drawings, RGB."""

from ..plotting import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION, YELLOW

INK = (20, 20, 20)
PAPER = (255, 255, 255)

# Colours of persons. Each one differs as much as possible from all before it.
_HUMANS = tuple(
    tuple(bytes.fromhex(color[1:])) for color in (SKY_BLUE, YELLOW, GREEN, '#FFFFFF', VERMILION, BLUE, PURPLE, ORANGE)
)
# Colours of a pair (human, object). The object's colour is lighter.
PALETTE = tuple((color, tuple((c + 255) // 2 for c in color)) for color in _HUMANS)


def letters_on(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Dark or light letters on a colour, depending on its Rec. 601 luma."""
    red, green, blue = color
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 100 else PAPER
