"""Derive independent seeds from one seed and names."""

import hashlib


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive a seed in [0, 2**31) from ``seed`` and what it is for.

    The result depends on its arguments alone, neither on the order of calls nor on the process, so
    that a resumed run, which skips finished stages, draws the same numbers as an uninterrupted one.
    """
    text = "/".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
