"""Many recordings probed at once."""

from collections.abc import Iterator, Sequence

import joblib

from serkit.corpora.auditing.probe import Probe, probe
from serkit.corpora.findings import Unusable

# Other processes need about half a second to start, in which one reads this many files.
_WORTH_PROCESSES = 2000
_CHUNK = 64


def probe_all(files: Sequence[str]) -> Iterator[Probe | tuple[str, str]]:
    """Probe files in their order, many of them in as many processes as there are cores.

    Threads would not do: most of a file's time is Python's, and they waited for each other (0.7 of
    one thread's speed on two cores).

    Yields:
        For each file what :func:`~serkit.corpora.auditing.probe.probe` measured, or the kind and
        the reason of what is wrong with it.
    """
    chunks = (files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK))
    if len(files) < _WORTH_PROCESSES or joblib.cpu_count() == 1:
        results = map(_probe_some, chunks)
    else:
        parallel = joblib.Parallel(n_jobs=-1, return_as="generator", pre_dispatch="4*n_jobs")
        results = parallel(joblib.delayed(_probe_some)(chunk) for chunk in chunks)
    for result in results:
        yield from result


def _probe_some(files: Sequence[str]) -> list[Probe | tuple[str, str]]:
    found: list[Probe | tuple[str, str]] = []
    for file in files:
        try:
            found.append(probe(file))
        except Unusable as error:
            found.append((error.kind, str(error)))
    return found
