"""Handle Ctrl-C: one line and exit status 130."""

import os
import signal
import threading
from types import FrameType

# The convention of shells: 128 plus the number of the signal.
_EXIT_STATUS = 130


class Interrupts:
    """Context manager: Ctrl-C during an import ends the process, else it raises KeyboardInterrupt.

    A KeyboardInterrupt during an import may be swallowed, or replaced by another exception. NumPy,
    for example, then says that it was imported from its source directory. Ending the process
    leaves no incomplete output file, because files are written under a temporary name.

    Attributes:
        name: prefix of the printed line.
    """

    def __init__(self) -> None:
        self.name = "serkit"

    def __enter__(self) -> "Interrupts":
        self._previous_handler = signal.getsignal(signal.SIGINT)
        # A process in the background may have been started with SIGINT ignored. It stays ignored.
        # Python allows only the main thread to set a handler.
        self._sets_handler = self._previous_handler is signal.default_int_handler and (
            threading.current_thread() is threading.main_thread()
        )
        if self._sets_handler:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._sets_handler:
            signal.signal(signal.SIGINT, self._previous_handler)

    def _handle(self, signal_number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                os.write(2, f"\n{self.name}: interrupted\n".encode())
                os._exit(_EXIT_STATUS)
            frame = frame.f_back
        raise KeyboardInterrupt
