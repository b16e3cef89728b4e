"""What goes wrong between a client and a server, beside what was given wrongly."""

from serkit.errors import SerkitError


class ServerError(SerkitError):
    """Nobody answers at an address, or not as TF Serving would; the message names the address."""


class RefusedError(SerkitError):
    """A server that is well refuses one request: another of the same would be refused as well."""
