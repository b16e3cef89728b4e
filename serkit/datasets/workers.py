"""Measure many recordings in parallel processes."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import joblib

from serkit.datasets.findings import Unusable
from serkit.datasets.probing import Probe, probe

Measured = TypeVar("Measured")

# Other processes need about half a second to start, in which one reads this many files.
_WORTH_PROCESSES = 2000
_CHUNK = 128


def probe_all(files: Sequence[str]) -> Iterator[Probe | tuple[str, str]]:
    """Probe files in their order; see :func:`measure_all`.

    Yields:
        For each file what :func:`~serkit.datasets.probing.probe` measured, or the kind and
        the reason of what is wrong with it.
    """
    return measure_all(probe, files, worth_processes=_WORTH_PROCESSES, chunk=_CHUNK)


def measure_all(
    measure: Callable[[str], Measured], files: Sequence[str], *, worth_processes: int, chunk: int
) -> Iterator[Measured | tuple[str, str]]:
    """Measure files in their order, many of them in as many processes as there are cores.

    Threads would not do: most of a file's time is Python's, and they waited for each other (0.7 of
    one thread's speed on two cores).

    Args:
        measure: gets a file; a function of a module, as other processes import it. It raises
            Unusable for a file that is wrong.
        worth_processes: number of files from which on other processes are started.
        chunk: number of files that a process gets at a time.

    Yields:
        For each file what ``measure`` gives, or the kind and the reason of what is wrong with it.
    """
    chunks = (files[start : start + chunk] for start in range(0, len(files), chunk))
    if len(files) < worth_processes or joblib.cpu_count() == 1:
        results = (_measure_some(measure, some) for some in chunks)
    else:
        # With more calls waiting than this joblib prints a traceback when it is interrupted.
        parallel = joblib.Parallel(n_jobs=-1, return_as="generator", pre_dispatch="2*n_jobs")
        with _shielded():
            results = parallel(joblib.delayed(_measure_some)(measure, some) for some in chunks)
    for result in results:
        yield from result


@contextmanager
def _shielded() -> Iterator[None]:
    """Let processes that start here not hear of Ctrl-C, which reaches all that a terminal has.

    The first one ends the others; by themselves each of them would print a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _measure_some(
    measure: Callable[[str], Measured], files: Sequence[str]
) -> list[Measured | tuple[str, str]]:
    found: list[Measured | tuple[str, str]] = []
    for file in files:
        try:
            found.append(measure(file))
        except Unusable as error:
            found.append((error.kind, str(error)))
    return found
