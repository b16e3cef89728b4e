"""KerasTuner's chief and workers, on one machine or several."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib

from serkit.errors import InputError, SerkitError, check_range

IP, PORT, ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"
CHIEF, WORKER, ALONE = "chief", "worker", "alone"
_PARENT, _WAIT = "SERKIT_TUNE_PARENT", "SERKIT_TUNE_WAIT"
_RESTARTS = 5


class SearchError(SerkitError):
    """The search cannot continue; the message says why. The search can be resumed."""


@dataclass(frozen=True)
class Member:
    """Role of this process in a search.

    Attributes:
        role: ``chief``, which chooses the settings of each trial; ``worker``, which runs the
            trials; or ``alone``, a search in one process.
        address: ``(ip, port)`` of the chief; None for the role ``alone``.
        patience: time that a worker waits for its chief to answer, in seconds.
    """

    role: str = ALONE
    address: tuple[str, int] | None = None
    patience: float = 600.0

    @classmethod
    def of_environment(cls) -> "Member":
        """Read the role from KerasTuner's environment variables.

        Raises:
            InputError: if the IP is set but another variable is not, or the port is not a number.
        """
        if IP not in os.environ:
            return cls()
        ip, port, name = (os.environ.get(each, "") for each in (IP, PORT, ID))
        if not (ip and port and name):
            raise InputError(
                f"{IP}, {PORT} and {ID} must all be set, or none. Received: {ip!r}, {port!r}, "
                f"{name!r}."
            )
        if not port.isdigit():
            raise InputError(f"{PORT} must be a number. Received: {port!r}.")
        # KerasTuner uses the same rule.
        role = CHIEF if "chief" in name else WORKER
        return cls(role, (ip, int(port)), float(os.environ.get(_WAIT, cls.patience)))

    def require_answer(self) -> None:
        """If this process is a worker, wait until the chief answers.

        Raises:
            SearchError: if the chief does not answer within ``patience`` seconds. KerasTuner alone
                would wait for an hour.
        """
        if self.role != WORKER or self.address is None:
            return
        until = time.monotonic() + self.patience
        while True:
            try:
                socket.create_connection(self.address, timeout=5).close()
                return
            except OSError as error:
                if time.monotonic() > until:
                    ip, port = self.address
                    raise SearchError(
                        f"no chief answers at {ip}:{port} after {self.patience:g} s ({error}). "
                        f"Run the same command there with {ID}=chief. Finished trials are kept; "
                        "start this worker again to resume."
                    ) from error
                time.sleep(0.2)


def follow_parent() -> None:
    """End this process when the process that started it ends for any reason, even if killed.

    This applies only to processes that a :class:`Crew` has started.
    """
    parent = os.environ.get(_PARENT)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Crew:
    """Chief and workers of a search on this machine; a killed process is restarted.

    Args:
        command: program and its arguments, the same for each process; environment variables set
            the role.
        workers: number of workers, at least 1.
        logs: folder for the output of each process.
        say: function that gets each line of output.

    Raises:
        InputError: if ``workers`` is below 1.
    """

    def __init__(
        self, command: Sequence[str], workers: int, logs: Path, say: Callable[[str], None] = print
    ) -> None:
        check_range("workers", workers, 1)
        self._command, self._logs, self._say = list(command), logs, say
        self._names = [CHIEF, *(f"worker-{number}" for number in range(1, workers + 1))]
        self._port = _free_port()
        # Workers that all use all cores would be slower than running the trials one by one.
        self._threads = max(1, joblib.cpu_count() // workers)

    def run(self) -> None:
        """Run until the chief has ended; restart any process that is killed.

        Raises:
            SearchError: if a process fails, or is killed too often; the message has the last line
                of its output.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        members = {name: self._start(name) for name in self._names}
        restarts = dict.fromkeys(self._names, 0)
        try:
            while members[CHIEF].poll() != 0:
                for name, process in members.items():
                    status = process.poll()
                    if status is None or status == 0:
                        continue
                    if status > 0 or restarts[name] == _RESTARTS:
                        raise SearchError(f"{name} failed: {self._last_line(name)}")
                    restarts[name] += 1
                    self._say(f"   {name} was killed (signal {-status}); it is restarted")
                    members[name] = self._start(name)
                time.sleep(0.2)
        finally:
            for process in members.values():
                process.terminate()
            for process in members.values():
                process.wait()

    def _start(self, name: str) -> subprocess.Popen:
        mine = {IP: "127.0.0.1", PORT: str(self._port), ID: name, _PARENT: str(os.getpid())}
        environment = {**os.environ, **mine}
        for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            environment.setdefault(threads, str(self._threads))
        with open(self._logs / f"{name}.log", "a") as log:
            process = subprocess.Popen(
                self._command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._say(f"   {name} is process {process.pid}")
        return process

    def _last_line(self, name: str) -> str:
        file = self._logs / f"{name}.log"
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
        return f"{next((line for line in reversed(lines) if line), 'no output')} ({file})"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
