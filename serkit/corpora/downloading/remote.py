"""A file that lies on somebody's server."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Remote:
    """A file to be fetched.

    Attributes:
        url: its address.
        path: where it goes.
        known_hash: ``md5:`` or ``sha256:`` (or ``sha1:``, ``sha512:``) and hexadecimal digits;
            None if the file has no fixed content, which is then taken as it comes, never
            resumed, and fetched again even where it exists.
        size: bytes, for the progress bar alone; 0 if not known.
    """

    url: str
    path: Path
    known_hash: str | None
    size: int = 0
