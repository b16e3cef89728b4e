"""A request that the server does not answer, and what it says instead."""

from serkit.errors import SerkitError

_LONGEST = 500


class Refusal(SerkitError):
    """Becomes the answer ``{"error": message}``.

    Attributes:
        code: HTTP's: 400 for a request that cannot be meant, 404, 408, 413, 503, 504.
        message: at most 500 characters, whatever was sent.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
        super().__init__(self.message)


def shown(value: object, longest: int = 80) -> str:
    """A word or a number that was sent, short enough for a message; of lists the kind alone."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    # Half a megabyte of text is not turned into another one first.
    text = repr(value[:longest]) if isinstance(value, str) else str(value)
    return text if len(text) <= longest else text[:longest] + "…"
