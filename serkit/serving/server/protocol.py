"""HTTP from people who break off in the middle of it."""

from contextlib import suppress

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Protocol(H11Protocol):
    """uvicorn's, for a request whose body turns out not to be HTTP while it is being answered.

    It says 400 then, whatever the application has said already or is about to say, and with a body
    even to HEAD, which has none; all of these end as errors of the server in the log.
    """

    def send_400_response(self, msg: str) -> None:
        """Answer as far as that is still possible, and hang up."""
        with suppress(h11.LocalProtocolError):
            super().send_400_response(msg)
        self.transport.close()
        if self.cycle is not None:
            # What the application says from now on is dropped.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
