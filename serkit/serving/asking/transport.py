"""What a client needs of a way to a server, whatever is spoken on it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from serkit.serving.asking.addresses import Address
from serkit.serving.asking.served_model import Metadata, VersionStatus


class Transport(Protocol):
    """A way to a server, which asks again where that may help.

    Each method raises InputError if the address does not lead to such a model, RefusedError if
    this one request is refused, and ServerError if nobody answers, or not as TF Serving does.
    """

    address: Address

    def ask(
        self, signature: str, columns: Mapping[str, Sequence[Any]], outputs: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Rows of outputs by name, one per example.

        Args:
            signature: which one to ask.
            columns: inputs by name, each with a value per example: bytes, float32 arrays of one
                shape, or integers.
            outputs: which are expected; more may come, and some may be missing.
        """

    def status(self) -> tuple[VersionStatus, ...]:
        """All versions, or the one of the address."""

    def metadata(self) -> Metadata:
        """What may be asked."""

    def weigh(self, value: Any) -> int:
        """About how many bytes a value is on its way."""

    def close(self) -> None:
        """Close the connections."""
