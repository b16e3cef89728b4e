"""Metrics of the server, in Prometheus' format."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from serkit.export import signatures

_SECONDS_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_BATCH_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Metrics of one server.

    Each instance has its own registry, so that several servers in one process do not mix. The
    values of labels are the model's signatures, HTTP's status codes, and three results of an
    example, so their number is limited. No label names a file or a client.

    Args:
        waiting_examples: returns the current number of examples in the queue.

    Attributes:
        content_type: media type of :meth:`text`.
    """

    content_type: ClassVar[str] = CONTENT_TYPE_LATEST

    def __init__(self, waiting_examples: Callable[[], float]) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "serkit_requests", "Requests for predictions.", ["code", "signature"], registry=registry
        )
        self._seconds = Histogram(
            "serkit_request_seconds",
            "Seconds from a request to its answer.",
            ["signature"],
            buckets=_SECONDS_BUCKETS,
            registry=registry,
        )
        self._batch_sizes = Histogram(
            "serkit_batch_examples",
            "Examples per batch.",
            buckets=_BATCH_SIZE_BUCKETS,
            registry=registry,
        )
        self._examples = Counter(
            "serkit_examples", "Examples by result.", ["status"], registry=registry
        )
        # A counter appears in the text, with the value 0, once its label is set.
        for status in ("ok", "refused", "abstained"):
            self._examples.labels(status)
        queue_length = Gauge("serkit_queue_examples", "Waiting examples.", registry=registry)
        queue_length.set_function(waiting_examples)
        ProcessCollector(registry=registry)

    def count_request(self, code: int, signature: str, seconds: float) -> None:
        """Count an answered request.

        Args:
            code: status code of the response.
            signature: name of the signature; empty if the request named no valid one.
            seconds: time from the request to its response.
        """
        self._requests.labels(str(code), signature).inc()
        self._seconds.labels(signature).observe(seconds)

    def count_batch(self, example_count: int) -> None:
        """Count a batch by its number of examples."""
        self._batch_sizes.observe(example_count)

    def count_outputs(self, outputs: Mapping[str, npt.NDArray[Any]], example_count: int) -> None:
        """Count the examples of a request by result: refused, abstained or ok.

        An example is refused if its output ``status`` is not empty. A signature without the outputs
        ``status`` and ``abstain`` gives only ok.

        Args:
            outputs: outputs of the request by name.
            example_count: number of examples of the request.
        """
        status = outputs.get(signatures.STATUS, np.zeros(0))
        is_refused = np.array([bool(text) for text in np.ravel(status)], bool)
        abstains = np.ravel(outputs.get(signatures.ABSTAIN, np.zeros(len(is_refused), bool)))
        refused_count = int(is_refused.sum())
        abstained_count = 0
        if len(abstains) == len(is_refused):
            abstained_count = int((abstains & ~is_refused).sum())
        self._examples.labels("refused").inc(refused_count)
        self._examples.labels("abstained").inc(abstained_count)
        self._examples.labels("ok").inc(max(0, example_count - refused_count - abstained_count))

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
