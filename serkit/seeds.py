"""Derive independent seeds from one seed and names of their purpose."""

import hashlib

from serkit.errors import check_range


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive a seed in [0, 2**31) from ``seed`` and names that describe its purpose.

    The result depends only on the arguments, not on the order of calls or on the process. So a
    resumed run, which skips finished stages, draws the same numbers as an uninterrupted run.

    Example:
        >>> derive_seed(0, "split") == derive_seed(0, "split")
        True
        >>> derive_seed(0, "split") == derive_seed(1, "split")
        False
    """
    text = "/".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def check_seed(name: str, seed: int) -> None:
    """Raise InputError unless ``0 <= seed < 2**31``, which all libraries take."""
    check_range(name, seed, 0, 2**31 - 1)
