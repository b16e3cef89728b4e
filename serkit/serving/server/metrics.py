"""Counters of the server, in Prometheus' format."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from serkit.export import signatures

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_EXAMPLES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Metrics of one server.

    Each instance has its own registry, so that several servers in one process do not mix. The
    values of labels are limited to the model's signatures, HTTP's status codes and three results of
    an example. No label names a file or a client.

    Args:
        waiting: returns the current number of waiting examples.
    """

    content_type: ClassVar[str] = CONTENT_TYPE_LATEST

    def __init__(self, waiting: Callable[[], float]) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "serkit_requests", "Requests for predictions.", ["code", "signature"], registry=registry
        )
        self._seconds = Histogram(
            "serkit_request_seconds",
            "Seconds from a request to its answer.",
            ["signature"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._batches = Histogram(
            "serkit_batch_examples", "Examples per batch.", buckets=_EXAMPLES, registry=registry
        )
        self._examples = Counter(
            "serkit_examples", "Examples by result.", ["status"], registry=registry
        )
        for status in ("ok", "refused", "abstained"):
            self._examples.labels(status)
        gauge = Gauge("serkit_queue_examples", "Waiting examples.", registry=registry)
        gauge.set_function(waiting)
        ProcessCollector(registry=registry)

    def count_request(self, code: int, signature: str, seconds: float) -> None:
        """Count an answered request; ``signature`` is empty if the request named no valid one."""
        self._requests.labels(str(code), signature).inc()
        self._seconds.labels(signature).observe(seconds)

    def count_batch(self, examples: int) -> None:
        """Record the number of examples of a batch."""
        self._batches.observe(examples)

    def count_outputs(self, outputs: Mapping[str, npt.NDArray[Any]], examples: int) -> None:
        """Count examples by result: ok, abstained, or refused (with a ``status``)."""
        status = outputs.get(signatures.STATUS, np.zeros(0))
        refused = np.array([bool(text) for text in np.ravel(status)], bool)
        abstain = np.ravel(outputs.get(signatures.ABSTAIN, np.zeros(len(refused), bool)))
        abstained = int((abstain & ~refused).sum()) if len(abstain) == len(refused) else 0
        self._examples.labels("refused").inc(int(refused.sum()))
        self._examples.labels("abstained").inc(abstained)
        self._examples.labels("ok").inc(max(0, examples - int(refused.sum()) - abstained))

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
