import numpy as np
import pytest

pytest.importorskip("prometheus_client", reason="it is in the extra serve")

from serkit.serving.server.metrics import Metrics


def test_counts_are_told_in_prometheus_format():
    metrics = Metrics(lambda: 7)
    metrics.count_request(200, "features", 0.03)
    metrics.count_request(503, "", 0.001)
    metrics.count_batch(5)
    text = metrics.text().decode()
    assert 'serkit_requests_total{code="200",signature="features"} 1.0' in text
    assert 'serkit_request_seconds_bucket{le="0.05",signature="features"} 1.0' in text
    assert 'serkit_batch_examples_bucket{le="8.0"} 1.0' in text
    assert "serkit_queue_examples 7.0" in text
    assert 'serkit_examples_total{status="ok"} 0.0' in text


def test_examples_are_ok_refused_or_abstained():
    metrics = Metrics(lambda: 0)
    status = np.array([b"", b"bad", b"", b""], object)
    metrics.count_outputs({"status": status, "abstain": np.array([False, True, True, False])}, 4)
    metrics.count_outputs({"y": np.zeros(3)}, 3)
    text = metrics.text().decode()
    for name, count in {"ok": 5, "refused": 1, "abstained": 1}.items():
        assert f'serkit_examples_total{{status="{name}"}} {count}.0' in text


def test_two_servers_in_a_process_do_not_mix():
    one, other = Metrics(lambda: 0), Metrics(lambda: 0)
    one.count_batch(1)
    assert "serkit_batch_examples_count 0.0" in other.text().decode()
