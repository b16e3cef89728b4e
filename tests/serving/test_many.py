import pytest

from serkit.errors import InputError
from serkit.serving import ray_prediction
from serkit.serving.local import ExportedModel
from serkit.serving.ray_prediction import predict_on_ray
from serkit.tasks.ray import RaySettings

pytest.importorskip("ray.data")


@pytest.mark.slow
def test_many_files_get_the_same_answers_in_the_same_order(
    contract_model, recordings_in_memory, tmp_path, monkeypatch
):
    monkeypatch.setattr(ray_prediction, "_RAY_BATCH_SIZE", 8)
    for number, content in enumerate(recordings_in_memory):
        (tmp_path / f"{number}.wav").write_bytes(content)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    names = ["0.wav", "bad.wav", "1.wav", "missing.wav", "2.wav"]
    # Two batches of a process.
    files = [tmp_path / name for name in names] * 3
    found = list(predict_on_ray(contract_model, files, RaySettings(cpus=1), samples=9))
    _same(found, ExportedModel(contract_model).predict(files, 9))


def _same(found, expected):
    """All of it; numbers but for the last bits, which depend on who shares a batch."""
    for one, other in zip(found, expected, strict=True):
        for name, value in vars(other).items():
            if name in ("probabilities", "entropy", "mutual_information"):
                value = pytest.approx(value, abs=1e-6)
            assert getattr(one, name) == value


def test_a_model_that_is_not_there_is_said_before_anybody_is_asked(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        next(predict_on_ray(tmp_path / "no", ["x.wav"], RaySettings("127.0.0.1:1")))


def test_a_model_that_does_not_draw_is_said_before_anybody_is_asked(plain_contract_model):
    with pytest.raises(InputError, match="`samples` must not be given"):
        next(predict_on_ray(plain_contract_model, ["x.wav"], RaySettings("127.0.0.1:1"), 9))
