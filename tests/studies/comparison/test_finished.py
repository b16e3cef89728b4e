"""From a comparison to the networks of its best arm, as a model."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.main import main
from serkit.errors import DamagedFileError, DivergedError, InputError
from serkit.export.versions import DETAILS_FILE
from serkit.files import read_json, write_json
from serkit.gans.wgan_gp import WGANGPSettings
from serkit.models.fitting import FitSettings
from serkit.studies import classifier_kinds, comparison
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison import compare
from serkit.studies.finished_comparison import open_classifier_to_export, read_finished
from serkit.studies.search_spaces import CompactRecipe


@pytest.fixture(scope="module")
def compared(synthetic_root, settings_of, small_classifiers, tmp_path_factory) -> Path:
    """Run folder of one fold, the baseline and two seeds, with trained networks."""
    out = tmp_path_factory.mktemp("compared") / "mine"
    settings = settings_of(
        synthetic_root / "CREMA-D",
        arms=("none",),
        classifiers=("compact",),
        first_folds=1,
        seeds=(0, 1),
        spec=SpectrogramSpec(frames=64, bins=64, hop=768),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(classifier_kinds.NETWORKS, "compact", small_classifiers["compact"])
        patch.setattr(comparison, "write_comparison_report", lambda *given, **named: None)
        compare(settings, out)
    return out


@pytest.fixture
def kept(compared, small):
    return open_classifier_to_export(compared, "none")


def test_the_networks_are_those_that_were_compared(compared, kept):
    assert len(kept.files) == 2
    partitions = kept.partitions
    for file in kept.files:
        found = pd.read_csv(file.parent / "predictions.csv")
        model = keras.models.load_model(file)
        logits = model.predict(
            partitions.spectrograms(partitions.split.test), batch_size=64, verbose=0
        )
        said = found[[f"logit_{label}" for label in partitions.classes]].to_numpy()
        assert np.allclose(logits, said, atol=1e-5)
    assert len({file.read_bytes() for file in kept.files}) == 2


def test_to_keep_them_changes_nothing_and_a_second_time_trains_nothing(
    compared, kept, small, monkeypatch
):
    before = (compared / "comparison.json").read_bytes()
    monkeypatch.setattr(comparison, "write_comparison_report", lambda *given, **named: None)
    compare(read_finished(compared)[0], compared)
    assert (compared / "comparison.json").read_bytes() == before
    monkeypatch.setattr(ClassifierRun, "run", None)
    again = open_classifier_to_export(compared, "none")
    assert again.files == kept.files


def test_metadata_of_the_networks(kept):
    assert kept.generated == {}
    assert (kept.metadata["run"], kept.metadata["protocol"]) == ("mine", "k-fold, fold 1 of 3")
    assert kept.metadata["comparison"]["trainings"] == 2


def test_the_command_exports_the_best_arm(compared, small, tmp_path, capsys):
    out = tmp_path / "model" / "4"
    assert main(["export", str(compared), "--out", str(out)]) == 0
    assert f"serkit serve {out.parent}" in capsys.readouterr().out
    details = read_json(out / DETAILS_FILE)
    arms = read_json(compared / "comparison.json")["protocols"]["k-fold"]["classifiers"]
    arms = arms["compact"]["arms"]
    best = max(arms, key=lambda name: arms[name]["validation_uar"])
    assert details["arm"] == best
    assert details["answers"]["networks"] == 2
    assert details["comparison"]["uar"] == arms[best]["uar"]
    card = (out / "assets.extra" / "model-card.md").read_text("utf-8")
    assert f"UAR {100 * arms[best]['uar']['value']:.1f}" in card
    assert f"Arm `{best}` of the comparison" in card


def test_a_training_that_fails_is_said(compared, small, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(compared, folder)
    for file in folder.glob("cache/trainings/*/model.keras"):
        file.unlink()

    def diverge(training: ClassifierRun, verbose: int) -> None:
        raise DivergedError("loss is nan")

    monkeypatch.setattr(ClassifierRun, "run", diverge)
    with pytest.raises(InputError, match="loss is nan"):
        open_classifier_to_export(folder, "none")


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"arm": "dcgan"}, "arm.*none.*dcgan"),
        ({"classifier": "vgg16-head"}, "classifier.*compact.*vgg16-head"),
        ({"fold": 2}, "fold.*1.*2"),
    ],
)
def test_what_was_not_compared_is_refused(compared, small, wanted, problem):
    with pytest.raises(InputError, match=problem):
        open_classifier_to_export(compared, **wanted)


def test_a_folder_without_a_comparison_is_refused(tmp_path):
    with pytest.raises(InputError, match="no finished run"):
        read_finished(tmp_path)
    for content in ([], {}, {"settings": 3}):
        write_json(tmp_path / "comparison.json", content)
        with pytest.raises(DamagedFileError, match=r"comparison\.json is damaged"):
            read_finished(tmp_path)


def test_all_settings_come_back(synthetic_root, settings_of, tmp_path):
    settings = settings_of(
        synthetic_root,
        fit={"compact": FitSettings(epochs=3)},
        tuned={"classifier": CompactRecipe(), "wgan-gp": WGANGPSettings(latent=7)},
        rarify=(("angry", 0.5),),
        everywhere=("specaugment",),
        seeds=(3, 4),
    )
    write_json(tmp_path / "settings.json", settings.to_json())
    write_json(tmp_path / "comparison.json", {"settings": {"roots": ["gone"]}})
    assert read_finished(tmp_path)[0] == settings
