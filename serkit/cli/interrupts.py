"""Handle Ctrl-C: one line and exit status 130."""

import os
import signal
import sys
import threading
from types import FrameType

# As shells have it: 128 and the signal's number.
_STATUS = 130


class Interrupts:
    """While it is entered, Ctrl-C during an import ends the process; else it is KeyboardInterrupt.

    An exception in the middle of an import is lost there, or comes out as another one: NumPy's
    says that it is started from its own source. What is being written then is written beside its
    place, so that nothing is left half done.

    Attributes:
        name: what the line begins with.
    """

    def __init__(self) -> None:
        self.name = "serkit"

    def __enter__(self) -> "Interrupts":
        self._before = signal.getsignal(signal.SIGINT)
        # A program in the background may have been told to ignore it.
        self._ours = self._before is signal.default_int_handler and (
            threading.current_thread() is threading.main_thread()
        )
        if self._ours:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                os.write(sys.__stderr__.fileno(), f"\n{self.name}: interrupted\n".encode())
                os._exit(_STATUS)
            frame = frame.f_back
        raise KeyboardInterrupt
