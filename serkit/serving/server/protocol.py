"""HTTP from people who break off in the middle of it."""

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_NOTHING_SENT = {h11.IDLE, h11.SEND_RESPONSE}


class Protocol(H11Protocol):
    """uvicorn's, for a request whose body turns out not to be HTTP while it is being answered.

    It says 400 then, whatever the application has said already or is about to say, and both end as
    errors of the server in the log, with all that called them.
    """

    def send_400_response(self, msg: str) -> None:
        """Answer if nothing was answered yet, and hang up."""
        if self.conn.our_state in _NOTHING_SENT:
            super().send_400_response(msg)
        else:
            self.transport.close()
        if self.cycle is not None:
            # What the application says from now on is dropped.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
