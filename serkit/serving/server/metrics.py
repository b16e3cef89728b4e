"""Counters of the server, in Prometheus' format."""

from collections.abc import Callable, Mapping

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from serkit.export import signatures

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_EXAMPLES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counts of one server; several in one process do not mix.

    No label can take more values than a model has signatures and HTTP has codes: neither files nor
    clients are named.

    Args:
        waiting: says how many examples wait at the moment.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, waiting: Callable[[], float]) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "serkit_requests", "Predictions asked for.", ["code", "signature"], registry=registry
        )
        self._seconds = Histogram(
            *("serkit_request_seconds", "From a request's head to its answer.", ["signature"]),
            buckets=_SECONDS,
            registry=registry,
        )
        self._batches = Histogram(
            *("serkit_batch_examples", "Examples that passed the model together."),
            buckets=_EXAMPLES,
            registry=registry,
        )
        self._examples = Counter(
            "serkit_examples", "What came of examples.", ["status"], registry=registry
        )
        for status in ("ok", "refused", "abstained"):
            self._examples.labels(status)
        gauge = Gauge("serkit_queue_examples", "Examples that wait.", registry=registry)
        gauge.set_function(waiting)
        ProcessCollector(registry=registry)

    def count_request(self, code: int, signature: str, seconds: float) -> None:
        """A request was answered; ``signature`` is empty if it named none that there is."""
        self._requests.labels(str(code), signature).inc()
        self._seconds.labels(signature).observe(seconds)

    def count_batch(self, examples: int) -> None:
        """So many examples passed the model together."""
        self._batches.observe(examples)

    def count_outputs(self, outputs: Mapping[str, np.ndarray], examples: int) -> None:
        """Examples by what came of them: refused are those that have a ``status``."""
        status = outputs.get(signatures.STATUS, np.zeros(0))
        refused = np.array([bool(text) for text in np.ravel(status)], bool)
        abstain = np.ravel(outputs.get(signatures.ABSTAIN, np.zeros(len(refused), bool)))
        abstained = int((abstain & ~refused).sum()) if len(abstain) == len(refused) else 0
        self._examples.labels("refused").inc(int(refused.sum()))
        self._examples.labels("abstained").inc(abstained)
        self._examples.labels("ok").inc(max(0, examples - int(refused.sum()) - abstained))

    def text(self) -> bytes:
        """All counts, for whoever asks."""
        return generate_latest(self._registry)
