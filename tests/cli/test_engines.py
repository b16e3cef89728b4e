import argparse

import pytest
import tensorflow as tf

from serkit.cli.arguments import add_engine, engine_of, ray_settings
from serkit.cli.main import main
from serkit.tasks.graph import LocalEngine, SchedulerError
from serkit.tasks.ray import RaySettings


def _options(*arguments):
    parser = argparse.ArgumentParser()
    add_engine(parser)
    return parser.parse_args(arguments)


def test_default_is_the_local_engine():
    with engine_of(_options()) as chosen:
        assert isinstance(chosen, LocalEngine)
    assert ray_settings(_options()) == RaySettings()


def test_all_options():
    found = ray_settings(
        _options(
            *("--engine", "ray", "--address", "host:1", "--cpus", "2", "--gpus", "0.5"),
            *("--threads", "3", "--retries", "4", "--storage", "s3://bucket/run"),
        )
    )
    assert found == RaySettings("host:1", 2.0, 0.5, 3, 4, "s3://bucket/run")


def test_predict_sets_tensorflow_s_threads_without_ray(monkeypatch, capsys):
    given = []
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", given.append)
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", given.append)
    assert main(["predict", "nowhere", "x.wav", "--threads", "1"]) == 2
    assert given == [1, 1]


@pytest.mark.parametrize(
    "given", ["--address host:1", "--storage memory://x", "--cpus 2", "--gpus 1", "--retries 0"]
)
def test_ray_options_are_refused_without_ray(given, capsys):
    assert main(["predict", "nowhere", "x.wav", *given.split()]) == 2
    assert f"`{given.split()[0]}` must not be given without --engine ray" in capsys.readouterr().err


def test_an_address_that_does_not_answer_is_an_error():
    pytest.importorskip("ray")
    options = _options("--engine", "ray", "--address", "127.0.0.1:1")
    with pytest.raises(SchedulerError, match="`address`"), engine_of(options):
        pass
