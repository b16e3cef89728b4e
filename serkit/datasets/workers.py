"""Measure many recordings in parallel processes."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import joblib

from serkit.datasets.findings import UnusableError
from serkit.datasets.probing import Probe, probe

Measured = TypeVar("Measured")

# Worker processes need about half a second to start. In that time one process reads 2,000 files.
_MIN_FILES_FOR_PROCESSES = 2000
_CHUNK_SIZE = 128


def probe_all(files: Sequence[str]) -> Iterator[Probe | tuple[str, str]]:
    """Probe files, in order; see :func:`measure_all`.

    Yields:
        For each file the result of :func:`~serkit.datasets.probing.probe`, or the kind and the
        reason of the finding that makes the file unusable.
    """
    return measure_all(
        probe, files, min_files_for_processes=_MIN_FILES_FOR_PROCESSES, chunk_size=_CHUNK_SIZE
    )


def measure_all(
    measure: Callable[[str], Measured],
    files: Sequence[str],
    *,
    min_files_for_processes: int,
    chunk_size: int,
) -> Iterator[Measured | tuple[str, str]]:
    """Apply ``measure`` to files, in order; for many files, in one process per core.

    Threads are not used: most of the time is spent in Python code, so that threads wait for each
    other. On two cores, threads had 0.7 of the speed of a single thread.

    Args:
        measure: function of a file path. It must be a module-level function, because worker
            processes import it. It raises UnusableError for a file that cannot be used.
        min_files_for_processes: smallest number of files for which worker processes are started.
        chunk_size: number of files that a process gets at a time.

    Yields:
        For each file the result of ``measure``, or the kind and the reason of its UnusableError.
    """
    chunks = (files[start : start + chunk_size] for start in range(0, len(files), chunk_size))
    if len(files) < min_files_for_processes or joblib.cpu_count() == 1:
        results = (_measure_chunk(measure, chunk_files) for chunk_files in chunks)
    else:
        # With a larger pre_dispatch, joblib prints a traceback when it is interrupted.
        parallel = joblib.Parallel(n_jobs=-1, return_as="generator", pre_dispatch="2*n_jobs")
        with block_interrupts():
            results = parallel(
                joblib.delayed(_measure_chunk)(measure, chunk_files) for chunk_files in chunks
            )
    for result in results:
        yield from result


@contextmanager
def block_interrupts() -> Iterator[None]:
    """Block SIGINT (Ctrl-C) in the processes that start in this context.

    They inherit the signal mask of this thread, for which SIGINT waits until the context ends. A
    terminal sends SIGINT to all processes of a command. The parent process ends its workers; if
    they also got the signal, each would print a traceback.
    """
    previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)


def _measure_chunk(
    measure: Callable[[str], Measured], files: Sequence[str]
) -> list[Measured | tuple[str, str]]:
    results: list[Measured | tuple[str, str]] = []
    for file in files:
        try:
            results.append(measure(file))
        except UnusableError as error:
            results.append((error.kind, str(error)))
    return results
