"""Colours of drawings, RGB."""

INK = (20, 20, 20)
PAPER = (255, 255, 255)

# Colours of persons: those of Okabe and Ito (https://jfly.uni-koeln.de/color), which people with colour blindness can tell apart,
# and white. Each one differs as much as possible from all before it.
_HUMANS = (
    (86, 180, 233),  # sky blue
    (240, 228, 66),  # yellow
    (0, 158, 115),  # bluish green
    (255, 255, 255),  # white
    (213, 94, 0),  # vermilion
    (0, 114, 178),  # blue
    (204, 121, 167),  # reddish purple
    (230, 159, 0),  # orange
)
# Colours of a pair (human, object). The object's colour is lighter.
PALETTE = tuple((color, tuple((c + 255) // 2 for c in color)) for color in _HUMANS)


def letters_on(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Dark or light letters on a colour, depending on its Rec. 601 luma."""
    red, green, blue = color
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 100 else PAPER
