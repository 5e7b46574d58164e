"""What is left of a list, or of a number, when all is taken away that is not needed to show something.

`fewest` is ddmin (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE TSE 28(2), 2002,
section 3), without its test of subsets alone: a part that shows it all by itself is found through the complements as
well, and a case of a subject seldom has one. `least` is the same for a number, which has halves in place of parts.

Not modelled: outcomes beside "shows" and "does not". A case that cannot be played does not show.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

ItemT = TypeVar("ItemT")


def fewest(items: Sequence[ItemT], shows: Callable[[tuple[ItemT, ...]], bool]) -> tuple[ItemT, ...]:
    """Some of `items`, in their order, of which none alone can be left out; `items` themselves must show it."""
    left = tuple(items)
    if not left or shows(()):
        return ()
    parts = 2
    while len(left) >= 2:
        size = -(-len(left) // parts)
        for start in range(0, len(left), size):
            rest = left[:start] + left[start + size :]
            if rest and shows(rest):
                left, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(2 * parts, len(left))
    return left


def least(number: int, lowest: int, shows: Callable[[int], bool]) -> int:
    """A number from `lowest` to `number` that shows it, where the next lower one does not; `number` must show it."""
    step = number - lowest
    while step > 0:
        if number - step >= lowest and shows(number - step):
            number -= step
            step = min(step, number - lowest)
        else:
            step //= 2
    return number
