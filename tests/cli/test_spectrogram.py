import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.main import main
from serkit.cli.spectrogram import _picture_path
from serkit.datasets.audit import audit
from serkit.training.spectrograms import compute_spectrograms, spectrogram_dataset

_SECONDS = np.arange(24_000) / 16_000


def _tone(hertz: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * _SECONDS)


def _recordings(root: Path, wav_bytes) -> Path:
    """Four recordings, two of which have one name, in a folder per label and speaker."""
    places = ("sad/ann/take", "sad/bob/take", "angry/ann/other", "angry/bob/another")
    for number, place in enumerate(places):
        path = root / f"{place}.wav"
        path.parent.mkdir(parents=True)
        path.write_bytes(wav_bytes(_tone(500 + 1000 * number)))
    return root


@pytest.fixture
def root(tmp_path, wav_bytes) -> Path:
    return _recordings(tmp_path / "calls", wav_bytes)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, wav_bytes) -> tuple[Path, Path]:
    """Recordings, and the folder that they were drawn into."""
    folder = tmp_path_factory.mktemp("drawn")
    root, out = _recordings(folder / "calls", wav_bytes), folder / "out"
    assert main(["spectrogram", str(root), "--out", str(out)]) == 0
    return root, out


@pytest.fixture
def figures(monkeypatch):
    """The arguments that figures were drawn with, by name."""
    from serkit.reporting import spectrogram_figures as module

    calls, draw = [], module.spectrogram_figure

    def remember(spectrogram, seconds, frequencies, range_db, **options):
        call = {"spectrogram": spectrogram, "seconds": seconds, "frequencies": frequencies}
        calls.append({**call, **options})
        return draw(spectrogram, seconds, frequencies, range_db, **options)

    monkeypatch.setattr(module, "spectrogram_figure", remember)
    return calls


def _pictures(folder) -> dict[str, np.ndarray]:
    """Grey levels 0 to 255 by path, as matplotlib reads them."""
    files = sorted(folder.rglob("*.png"))
    read = {str(file.relative_to(folder)): matplotlib.image.imread(file) for file in files}
    return {name: np.rint(picture * 255) for name, picture in read.items()}


@pytest.mark.parametrize("kind", ["mel", "log", "linear"])
def test_a_tone_is_drawn_at_its_time_and_frequency(tmp_path, wav_bytes, figures, kind):
    seconds = np.arange(16_000 * 6) / 16_000
    beep = 0.5 * np.sin(2 * np.pi * 3000 * seconds) * ((seconds > 3.5) & (seconds < 4))
    file = tmp_path / "be$p.wav"
    file.write_bytes(wav_bytes(beep))
    out = tmp_path / "out.png"
    assert main(["spectrogram", str(file), "-o", str(out), "--kind", kind]) == 0
    (call,) = figures
    assert (call["title"], call["scale"]) == ("be$p.wav", kind)
    picture, (left, right) = call["spectrogram"], call["seconds"]
    # The middle 3.6 s of six.
    assert left == pytest.approx(1.2, abs=0.05)
    assert right == pytest.approx(4.8, abs=0.05)
    loudest = call["frequencies"][picture.max(axis=0).argmax()]
    assert loudest == pytest.approx(3000, rel=0.02)
    loud = np.flatnonzero(picture.max(axis=1) > 0.5)
    times = left + (loud + 0.5) * (right - left) / len(picture)
    assert times[[0, -1]] == pytest.approx([3.5, 4], abs=0.05)
    assert matplotlib.image.imread(out).shape[2] == 4


def test_zeros_before_a_short_recording_are_below_second_zero(root, tmp_path, figures):
    file = root / "sad" / "ann" / "take.wav"
    assert main(["spectrogram", str(file), "-o", str(tmp_path / "x" / "y.png")]) == 0
    (call,) = figures
    assert sum(call["seconds"]) == pytest.approx(1.5)
    assert call["seconds"][0] < -1
    assert (tmp_path / "x" / "y.png").read_bytes().startswith(b"\x89PNG")


def test_every_recording_becomes_a_png_in_the_folder_of_its_category(drawn, tmp_path):
    root, out = drawn
    pictures = _pictures(out)
    assert [re.sub("-[0-9a-f]{12}", "", name) for name in pictures] == [
        *("angry/another.png", "angry/other.png", "sad/take.png", "sad/take.png")
    ]
    corpus = audit([root]).corpus
    spectrograms = compute_spectrograms(corpus, SpectrogramSpec(), cache=tmp_path / "cache")[:]
    for clip, spectrogram in zip(corpus.clips, spectrograms[..., 0], strict=True):
        (name,) = (name for name in pictures if clip.sha256[:12] in name)
        picture = pictures[name]
        assert picture.shape == (224, 224)
        # Columns from left to right are frames, rows from bottom to top are bands.
        back = picture[::-1].T / 127.5 - 1
        np.testing.assert_allclose(back, spectrogram, atol=1 / 255 + 1e-3)
    header = next(out.rglob("*.png")).read_bytes()[16:26]
    # 224 x 224, 8 bits, colour type 0: grey (PNG specification, 11.2.2).
    assert header == bytes([0, 0, 0, 224, 0, 0, 0, 224, 8, 0])


def test_an_interrupted_run_is_resumed_without_computing_anew(drawn, tmp_path, monkeypatch, capsys):
    root, before = drawn
    out = Path(shutil.copytree(before, tmp_path / "out"))
    command = ["spectrogram", str(root), "--out", str(out)]
    whole = {path: path.read_bytes() for path in out.rglob("*.png")}
    gone, *kept = sorted(whole)
    gone.unlink()
    (gone.parent / ".partial-1-x.png").write_bytes(b"half")
    for path in kept:
        os.utime(path, (1, 1))
    asked = []

    def watched(files, *arguments, **options):
        asked.extend(files)
        return spectrogram_dataset(files, *arguments, **options)

    monkeypatch.setattr("serkit.training.spectrograms.spectrogram_dataset", watched)
    capsys.readouterr()
    assert main(command) == 0
    assert "4 pictures in" in (said := capsys.readouterr().out)
    assert "3 of them from before" in said
    assert len(asked) == 1
    assert gone.parent.name in asked[0]
    assert {path: path.read_bytes() for path in out.rglob("*.png")} == whole
    assert all(path.stat().st_mtime == 1 for path in kept)


def test_unreadable_recordings_are_named_and_the_others_drawn(root, tmp_path, monkeypatch, capsys):
    """One is damaged before the audit, and one after it."""
    take, late = root / "sad" / "ann" / "take.wav", root / "sad" / "bob" / "take.wav"
    (root / "sad" / "ann" / "bad.wav").write_bytes(b"RIFF....")
    shutil.copy(take, take.with_name("copy.wav"))

    def damaged(*arguments, **options):
        late.write_bytes(b"RIFF....")
        return spectrogram_dataset(*arguments, **options)

    monkeypatch.setattr("serkit.training.spectrograms.spectrogram_dataset", damaged)
    out = tmp_path / "out"
    assert main(["spectrogram", str(root), "--out", str(out)]) == 1
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert len(lines) == 2
    assert str(root / "sad" / "ann" / "bad.wav") in lines[0]
    assert str(late) in lines[1]
    assert "copies left out: 1" in said.out
    assert len(_pictures(out)) == 3


def test_png_files_of_two_settings_are_not_in_one_folder(drawn, capsys):
    root, out = drawn
    before = _pictures(out)
    assert main(["spectrogram", str(root), "--out", str(out), "--kind", "linear"]) == 1
    assert "holds pictures of --kind mel, not 'linear'" in capsys.readouterr().err
    assert _pictures(out).keys() == before.keys()
    assert json.loads((out / "spectrogram.json").read_text())["kind"] == "mel"


def test_labels_that_are_no_folder_names_stay_inside_and_apart(root, tmp_path):
    (clip, *_) = audit([root]).corpus.clips
    labels = ("../sad", "a/b", "a_b", "a%2Fb", "..", "C:\\x", "traurig é")
    places = [_picture_path(replace(clip, emotion=label), tmp_path) for label in labels]
    assert len(set(places)) == len(labels)
    for place in places:
        assert place.resolve().parents[1] == tmp_path.resolve()


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (("nowhere.wav", "-o", "x.png"), "nowhere.wav does not exist", 2),
        ((".", "-o", "x.png"), ". is a folder", 2),
        (("a.wav", "b.wav", "-o", "x.png"), "--out x.png takes one recording, not 2", 2),
        (("bad.wav", "-o", "x.jpg"), "must be a name that ends in .png. Received: x.jpg.", 2),
        (("bad.wav", "-o", "x.png"), "bad.wav: ", 1),
        (("nowhere", "--out", "out"), "nowhere does not exist", 2),
    ],
)
def test_unusable_files_are_one_line(tmp_path, monkeypatch, capsys, arguments, words, status):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.wav").write_bytes(b"RIFF....")
    assert main(["spectrogram", *arguments]) == status
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("serkit spectrogram: ")
    assert words in line
    assert [path.name for path in tmp_path.iterdir()] == ["bad.wav"]


def test_help_explains_how_to_view_the_png_files():
    code = "import sys; from serkit.cli.main import main\ntry: main(['spectrogram', '-h'])\n"
    code += "except SystemExit: print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = " ".join(done.stdout.split())
    assert "louder is lighter" in said
    assert said.endswith("False")


@pytest.mark.recordings
def test_a_real_recording(recordings, tmp_path, figures):
    file = min(recordings.rglob("*.wav"))
    assert main(["spectrogram", str(file), "-o", str(tmp_path / "x.png")]) == 0
    length = soundfile.info(file).duration
    assert sum(figures[0]["seconds"]) == pytest.approx(length)
    assert figures[0]["spectrogram"].max() == pytest.approx(1)


def test_a_waveform_is_drawn_of_a_recording_alone(root, tmp_path, capsys):
    file, out = root / "sad" / "ann" / "take.wav", tmp_path / "wave.png"
    assert main(["spectrogram", str(file), "--waveform", "-o", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert main(["spectrogram", str(file), "--waveform", "--kind", "log", "-o", str(out)]) == 2
    assert "--kind" in capsys.readouterr().err
    assert main(["spectrogram", str(root), "--waveform", "--out", str(tmp_path / "p")]) == 2
    assert "--waveform" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
