import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.training.machines import _Together, _weighted

MACHINE = Path(__file__).with_name("machine.py")


def _start(out: Path, config: dict | None = None) -> subprocess.Popen:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if config:
        environment["TF_CONFIG"] = json.dumps(config)
    return subprocess.Popen(
        [sys.executable, str(MACHINE), str(out)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _found(process: subprocess.Popen) -> dict:
    said, wrong = process.communicate(timeout=400)
    assert process.returncode == 0, wrong[-3000:]
    (line,) = [line for line in said.splitlines() if line.startswith("FOUND ")]
    return json.loads(line.removeprefix("FOUND "))


def _ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


@pytest.mark.slow
def test_two_machines_are_as_good_as_one_with_two_devices(tmp_path):
    workers = [f"127.0.0.1:{port}" for port in _ports(2)]
    both = [
        _start(
            tmp_path / f"machine-{index}",
            {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}},
        )
        for index in range(2)
    ]
    first, second = map(_found, both)
    assert first == second
    alone = _found(_start(tmp_path / "alone"))
    assert set(alone) == {"classifier", "dcgan", "wgan_gp"}
    for kind, wanted in alone.items():
        mine = first[kind]
        assert len(mine["history"]) == len(wanted["history"]) > 1
        for row, other in zip(mine["history"], wanted["history"], strict=True):
            assert row.keys() == other.keys()
            # Keras validates on each device with its own moving statistics, not with their mean.
            for name in (name for name in row if not name.startswith("val_")):
                assert row[name] == pytest.approx(other[name], rel=1e-4, abs=1e-5), (kind, name)
        np.testing.assert_allclose(mine["weights"], wanted["weights"], rtol=1e-4, atol=1e-5)


class _Devices:
    num_replicas_in_sync = 3


def test_a_batch_that_cannot_be_shared_out_is_refused():
    together = _Together.__new__(_Together)
    together._strategy = _Devices()
    batches = tf.data.Dataset.from_tensors((tf.zeros((8, 2)),)).repeat()
    with pytest.raises(InputError, match="batches of 8 examples for 3 devices"):
        together.shares(batches)


def test_examples_count_what_their_class_counts():
    x, y = tf.zeros((3, 1)), tf.constant([1, 0, 1])
    batches = tf.data.Dataset.from_tensors((x, y))
    assert _weighted(batches, None) is batches
    ((_, _, weights),) = _weighted(batches, {0: 0.5, 1: 2.0})
    assert weights.numpy().tolist() == [2.0, 0.5, 2.0]
    mixed = tf.data.Dataset.from_tensors((x, tf.constant([[0.2, 0.8], [1.0, 0.0], [0.4, 0.6]])))
    ((_, _, weights),) = _weighted(mixed, {0: 0.5, 1: 2.0})
    assert weights.numpy().tolist() == [2.0, 0.5, 2.0]
