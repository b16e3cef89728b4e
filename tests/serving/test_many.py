import pytest

from serkit.errors import InputError
from serkit.grid.ray_engine import RaySettings
from serkit.serving.many import predict_on_ray
from serkit.serving.predict import Predictor

pytest.importorskip("ray.data")


@pytest.mark.slow
def test_many_files_get_the_same_answers_in_the_same_order(
    exported, recordings_in_memory, tmp_path
):
    for number, content in enumerate(recordings_in_memory):
        (tmp_path / f"{number}.wav").write_bytes(content)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    names = ["0.wav", "bad.wav", "1.wav", "missing.wav", "2.wav"]
    files = [tmp_path / name for name in names] * 30
    _, folder = exported
    found = list(predict_on_ray(folder, files, RaySettings(cpus=0.5)))
    assert found == list(Predictor(folder).predict(files))


def test_a_model_that_is_not_there_is_said_before_anybody_is_asked(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        next(predict_on_ray(tmp_path / "no", ["x.wav"], RaySettings("127.0.0.1:1")))
