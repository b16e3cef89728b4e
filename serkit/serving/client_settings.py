"""How patient a client is, and how much it asks at a time."""

from dataclasses import dataclass

from serkit.errors import check_range

_SHORTEST = 0.001


@dataclass(frozen=True)
class ClientSettings:
    """How patient a client is, and how much it asks at a time.

    Attributes:
        connect_seconds: until a server has to have taken a connection.
        read_seconds: from then until its answer, in each attempt.
        deadline_seconds: for a request with all its attempts and the pauses between them.
        attempts: how often a request is made before giving up, 1 or more.
        pause_seconds: about how long the first pause is; each is twice as long as the one before.
        longest_pause_seconds: no pause of ours is longer; what a server asks for is kept to.
        batch_examples: recordings of a request. A TF Serving that batches refuses more than its
            ``max_batch_size``.
        batch_bytes: of the recordings of a request, as they are sent; a single one may have more.

    Raises:
        InputError: for a value out of range.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    deadline_seconds: float = 300.0
    attempts: int = 4
    pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    batch_examples: int = 16
    batch_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        for name in ("connect_seconds", "read_seconds", "deadline_seconds"):
            # A day: more is none, and too much for a socket.
            check_range(name, getattr(self, name), _SHORTEST, 86_400.0)
        for name in ("attempts", "batch_examples", "batch_bytes"):
            check_range(name, getattr(self, name), 1)
        check_range("pause_seconds", self.pause_seconds, 0.0)
        check_range("longest_pause_seconds", self.longest_pause_seconds, self.pause_seconds)
