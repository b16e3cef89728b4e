"""The emotion over time: windows of a recording, and ``serkit predict --timeline``."""

import csv
import io
import json

import numpy as np
import pytest
import soundfile
from PIL import Image

import serkit
from serkit.cli.main import main
from serkit.errors import InputError

RATE = 8_000


@pytest.fixture(scope="module")
def model(exported):
    return serkit.load_model(exported[1])


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Six and a half seconds of noise, in two channels, that becomes louder."""
    samples = np.random.default_rng(0).normal(0, 0.2, (52_000, 2))
    samples *= np.linspace(0.1, 1, 52_000)[:, np.newaxis]
    path = tmp_path_factory.mktemp("sound") / "long.flac"
    soundfile.write(path, samples, RATE)
    return path


def test_windows_cover_the_recording(model, recording):
    moments = list(serkit.timeline(model, recording))
    assert [(moment.start, moment.end) for moment in moments] == [
        *((start, start + 3.0) for start in range(4)),
        (3.5, 6.5),
    ]
    assert {moment.file for moment in moments} == {str(recording)}


def test_a_window_is_predicted_as_a_file_of_its_own(model, recording, tmp_path):
    samples, _ = soundfile.read(recording, dtype="float32")
    for moment in serkit.timeline(model, recording, seconds=2.0, hop=1.5):
        part = samples[round(moment.start * RATE) : round(moment.end * RATE)]
        soundfile.write(tmp_path / "part.wav", part, RATE, subtype="FLOAT")
        alone = model.predict(tmp_path / "part.wav")
        assert moment.label == alone.label
        assert moment.probabilities == pytest.approx(alone.probabilities, abs=1e-6)


def test_a_short_recording_is_one_window(model, tmp_path):
    soundfile.write(tmp_path / "short.wav", np.ones(400) / 3, RATE)
    (moment,) = serkit.timeline(model, tmp_path / "short.wav")
    assert (moment.start, moment.end) == (0.0, 0.05)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing.wav", "no such file or directory"),
        ("text.wav", "not a WAV, FLAC, MP3 or Ogg Vorbis file"),
        ("empty.wav", "without samples"),
        (".", "is not a file"),
    ],
)
def test_what_is_no_recording_has_a_problem(model, name, problem, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "empty.wav", np.ones(0), RATE)
    (moment,) = serkit.timeline(model, tmp_path / name)
    assert problem in moment.problem
    assert moment.abstain


@pytest.mark.parametrize("options", [{"seconds": 0.1}, {"hop": 0.0}, {"hop": 99.0}])
def test_lengths_are_checked(model, recording, options):
    with pytest.raises(InputError, match=rf"`{next(iter(options))}`"):
        list(serkit.timeline(model, recording, **options))


def test_a_path_is_not_a_model(recording):
    with pytest.raises(InputError, match="`model` must be"):
        list(serkit.timeline("saved_models/mine", recording))


def test_an_enrolled_speaker_is_used(adaptive_version, adaptive_classifier, recording):
    model = serkit.load_model(adaptive_version)
    speaker = np.ones(adaptive_classifier.shape, np.float32)
    (plain, *_), (adapted, *_) = (
        list(serkit.timeline(model, recording, speaker=each)) for each in (None, speaker)
    )
    assert plain.probabilities != adapted.probabilities


def test_the_command_prints_and_draws_it(exported, model, recording, tmp_path, capsys):
    expected = list(serkit.timeline(model, recording))
    call = ["predict", str(exported[1]), str(recording), "--timeline"]
    picture = tmp_path / "timeline.png"
    assert main([*call, "--csv", "--figure", str(picture)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [float(row["start"]) for row in rows] == [moment.start for moment in expected]
    assert [row["label"] for row in rows] == [moment.label for moment in expected]
    with Image.open(picture) as image:
        assert image.size[0] > image.size[1] > 100
        assert len(image.convert("RGB").getcolors(1 << 24)) > 3
    assert main([*call, "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["end"] for line in lines] == [moment.end for moment in expected]
    assert main(call) == 0
    assert f"{recording}, 3.5 to 6.5 s: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--figure", "a.png"], "without --timeline"),
        (["--timeline", "--figure", "a.jpg"], "must end in .png"),
        (["b.wav", "--timeline", "--figure", "a.png"], "2 recordings"),
        (["--timeline", "--engine", "ray"], "--timeline goes with neither"),
        (["--timeline", "--samples", "3"], "--timeline goes with neither"),
    ],
)
def test_options_that_do_not_go_together_are_named(options, message, exported, capsys):
    assert main(["predict", str(exported[1]), "a.wav", *options]) == 2
    assert message in capsys.readouterr().err
