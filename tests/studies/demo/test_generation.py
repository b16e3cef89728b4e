from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.sample_filter import Verdicts
from serkit.files import read_json
from serkit.gans.dcgan import DCGANSettings
from serkit.progress import Progress
from serkit.studies import demo_generation as generation
from serkit.studies.demo_settings import DemoSettings
from serkit.studies.parts import Parts
from serkit.studies.run_folder import Run

SETTINGS = DemoSettings(
    label_set="emotion",
    gan=DCGANSettings(width=0.05, batch_size=4, steps=4, steps_per_epoch=2),
    pretraining_steps=6,
    rare_below=1.0,
)


class _Judge:
    """Accepts every so manieth sample, or none."""

    def __init__(self, every: int) -> None:
        self._every = every

    def verdicts(self, spectrograms, label):
        places = np.arange(len(spectrograms))
        accepted = places % self._every == 0 if self._every else places < 0
        return Verdicts(copies=np.zeros(len(places), bool), refused=~accepted)


@pytest.fixture
def calls(monkeypatch) -> list:
    """What GANs would have been trained on; they stay as they were built."""
    found = []

    def fit_gan(gan, examples, speakers, settings, seed, folder, *, init_from=None, verbose):
        speakers.require_training(examples.speakers)
        call = {"clips": len(examples), "steps": settings.steps, "start": init_from}
        found.append(SimpleNamespace(settings=settings, **call))

    monkeypatch.setattr(generation, "fit_gan", fit_gan)
    return found


@pytest.fixture
def uneven(parts) -> Parts:
    """One sad training clip is gone, so sad is rare by one."""
    split = parts.split
    gone = next(clip for clip in split.train.clips if clip.emotion == "sad")
    thin = split.train.where(lambda clip: clip != gone)
    pictures = np.full((24, *SpectrogramSpec().shape), -1.0, "float32")
    return Parts(parts.corpus, type(split)(thin, split.validation, split.test), pictures, "emotion")


def _generate(settings, parts, sample_filter, folder) -> dict[str, np.ndarray]:
    with Run(folder, settings.to_json()) as run:
        return generation.generate(settings, parts, sample_filter, run, Progress())


def test_a_gan_of_all_clips_comes_first_and_that_of_a_class_begins_with_it(
    uneven, calls, tmp_path, capfd
):
    made = _generate(SETTINGS, uneven, _Judge(3), tmp_path)
    counts = uneven.split.train.counts("emotion")
    assert [(call.clips, call.steps) for call in calls] == [
        (len(uneven.split.train), 6), (counts["sad"], 4),
    ]  # fmt: skip
    assert [call.start for call in calls] == [None, tmp_path / "gan-of-all"]
    assert {label: len(one) for label, one in made.items()} == {"sad": 1}
    origin = read_json(tmp_path / "generated" / "sad" / "origin.json")
    assert set(origin["speakers"]) == uneven.split.train.speakers()
    assert (origin["gated"], origin["tried"], origin["refused"]) == (True, 32, 21)
    assert "sad: 1 of 32 samples accepted" in capfd.readouterr().out


def test_what_is_done_is_not_done_again(uneven, calls, tmp_path):
    first = _generate(SETTINGS, uneven, _Judge(1), tmp_path)
    again = _generate(SETTINGS, uneven, _Judge(1), tmp_path)
    assert len(calls) == 2
    np.testing.assert_array_equal(again["sad"], first["sad"])


def test_a_class_of_which_nothing_is_accepted_is_left_out(uneven, calls, tmp_path):
    assert _generate(SETTINGS, uneven, _Judge(0), tmp_path) == {}


def test_without_pretraining_a_gan_begins_from_nothing(uneven, calls, tmp_path):
    settings = DemoSettings(
        label_set="emotion", gan=SETTINGS.gan, pretraining_steps=0, rare_below=1.0, gated=False
    )
    assert len(_generate(settings, uneven, _Judge(0), tmp_path)["sad"]) == 1
    assert [call.start for call in calls] == [None]
    origin = read_json(tmp_path / "generated" / "sad" / "origin.json")
    assert set(origin["speakers"]) == uneven.rare("sad").speakers()


def test_the_recipe_of_the_2021_report_puts_all_clips_of_a_class_into_a_batch(
    uneven, calls, tmp_path
):
    report = DemoSettings(label_set="emotion", rare_below=1.0, gated=False)
    report = report.with_gan_recipe("report")
    _generate(report, uneven, _Judge(0), tmp_path)
    (call,) = calls
    assert call.settings.batch_size == max(2, len(uneven.rare("sad")))


def test_of_many_rare_classes_the_rarest_get_a_gan(uneven, calls, tmp_path, monkeypatch):
    monkeypatch.setattr(generation, "balance_plan", lambda *given: {"sad": 1, "happy": 1})
    settings = replace(SETTINGS, pretraining_steps=0, gated=False, most_rare=1)
    assert set(_generate(settings, uneven, _Judge(0), tmp_path)) == {"sad"}
    assert len(calls) == 1


def test_where_nothing_is_rare_nothing_is_trained(parts, calls, tmp_path, capfd):
    assert _generate(SETTINGS, parts, _Judge(1), tmp_path) == {}
    assert calls == []
    assert "nothing to fill" in capfd.readouterr().out
