"""Many examples as requests that are not too large."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from serkit.serving.client_settings import ClientSettings
from serkit.serving.example import Example


def portions(
    examples: Iterable[Example],
    settings: ClientSettings,
    weigh: Callable[[Any], int],
    shape: Callable[[Any], Hashable] = lambda value: None,
) -> Iterator[list[Example]]:
    """Lists of neighbours, in their order; examples are taken as they are needed, not before.

    Args:
        examples: those with a problem count as well, and weigh nothing.
        settings: the most examples and bytes of a list; one by itself may have more bytes.
        weigh: bytes of a value on its way.
        shape: values of different shapes do not fit into one array.
    """
    portion: list[Example] = []
    weight, common = 0, None
    for example in examples:
        own, like = (0, None) if example.problem else (weigh(example.value), shape(example.value))
        full = len(portion) == settings.batch_examples or weight + own > settings.batch_bytes
        if portion and (full or (None not in (common, like) and common != like)):
            yield portion
            portion, weight, common = [], 0, None
        portion.append(example)
        weight, common = weight + own, common if like is None else like
    if portion:
        yield portion
