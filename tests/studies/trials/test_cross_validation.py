import json

import numpy as np
import pytest

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.datasets.synthetic import SyntheticSettings, write_synthetic_corpus
from serkit.errors import InputError, LeakError, ResumeError
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings
from serkit.models.pretrained import WeightsCard
from serkit.studies.cross_validation import CrossValidation

SPEC = SpectrogramSpec(frames=48, bins=32, hop=1024)
SMALL = CompactSettings(pool=(1, 1), channels=(4, 8))
SETTINGS = FitSettings(epochs=1, steps_per_epoch=2, batch_size=8)


@pytest.fixture
def trial(synthetic_root, tmp_path):
    return CrossValidation([synthetic_root], "emotion", SPEC, tmp_path, [0], 3, speeds=(1.2,))


def _run(fold, classes):
    model = compact(classes, SPEC.shape, SMALL, fold.network_seed)
    history = fold.fit(model, SETTINGS)
    return model, history, fold.test(model)


@pytest.mark.slow
@pytest.mark.usefixtures("deterministic")
def test_from_the_command_line_to_the_tables(synthetic_root, synthetic_corpus, tmp_path, capsys):
    def options(*more):
        arguments = [str(synthetic_root), "--folds", "3", "--out", str(tmp_path), *more]
        return cross_validation_parser("Claim: none.", "runs/none").parse_args(arguments)

    with cross_validation(options("--seeds", "0"), SPEC) as trial:
        for fold in trial:
            model, _, found = _run(fold, len(trial.classes))
            split = fold.partitions.split
            assert set(found["speaker"]) == split.test.speakers()
            assert not split.test.speakers() & split.train.speakers()
            logits = found[[f"logit_{label}" for label in trial.classes]].to_numpy()
            # In batches of the same size: in others, sums may be added in another order.
            again = model.predict(
                fold.partitions.spectrograms(split.test), batch_size=64, verbose=0
            )
            np.testing.assert_allclose(logits, again)
            predicted = [trial.classes[number] for number in logits.argmax(axis=1)]
            assert predicted == list(found["predicted"])
            kept = {path.name for path in fold.folder.iterdir()}
            files = {"history.csv", "model.keras", "predictions.csv", "split.csv", "split.json"}
            assert kept == files
        # Each clip is tested once.
        every = trial.predictions()
        assert sorted(every["path"]) == sorted(clip.path for clip in synthetic_corpus.clips)
        truth = {clip.path: clip.emotion for clip in synthetic_corpus.clips}
        assert [truth[path] for path in every["path"]] == list(every["truth"])
        # Folds that are done are not repeated.
        assert list(trial) == []
    text = (tmp_path / "report.md").read_text()
    assert text in capsys.readouterr().out
    assert "| mean over folds, seed | UAR | accuracy | macro F1 |" in text
    assert "| gender: female |" in text
    # A seed may be added, other options may not be changed.
    with cross_validation(options("--seeds", "0", "1"), SPEC) as trial:
        assert [(fold.seed, fold.number) for fold in trial][:1] == [(1, 1)]
    with (
        pytest.raises(ResumeError, match=r"labels .*'emotion'.*'gender_emotion'"),
        cross_validation(options("--labels", "gender_emotion"), SPEC),
    ):
        pass
    assert json.loads((tmp_path / "settings.json").read_text())["folds"] == "3"


def test_other_speeds_are_used_for_training_only(trial, monkeypatch):
    from serkit.studies import cross_validation as module

    seen = {}

    def instead(model, train, validation, *_, **options):
        seen.update(train=train, validation=validation)
        return []

    monkeypatch.setattr(module, "fit_classifier", instead)
    fold = next(iter(trial))
    _, _, found = _run(fold, len(trial.classes))
    split = fold.partitions.split
    assert len(seen["train"]) == 2 * len(split.train)
    assert len(seen["validation"]) == len(split.validation)
    assert len(found) == len(split.test)
    plain, faster = np.split(seen["train"].spectrograms[:], 2)
    np.testing.assert_array_equal(plain, fold.partitions.spectrograms(split.train))
    assert not np.array_equal(plain, faster)
    # Faster is shorter: more of it is silence.
    assert (faster == -1).mean() > (plain == -1).mean()
    np.testing.assert_array_equal(*np.split(seen["train"].labels, 2))


@pytest.mark.usefixtures("deterministic")
def test_live_training_is_on_waveforms_of_training_speakers(synthetic_root, tmp_path, monkeypatch):
    from serkit.studies import cross_validation as module

    seen = []
    monkeypatch.setattr(module, "fit_classifier", lambda model, train, *_, **__: seen.append(train))
    options = cross_validation_parser("Claim: none.", "runs/none").parse_args(
        [str(synthetic_root), "--folds", "3", "--out", str(tmp_path), "--live", "noise"]
    )
    monkeypatch.setattr(module.CrossValidation, "predictions", lambda self: None)
    with cross_validation(options, SPEC, (0.8, 0.9), report=lambda *_: "") as trial:
        fold = next(iter(trial))
        fold.fit(None, SETTINGS)
    (train,) = seen
    assert len(train) == len(fold.partitions.split.train)
    expected = WaveAugmentation(speed=(0.8, 1.0), snr_db=(10.0, 30.0))
    assert train.spectrograms.augmentation == expected
    assert train.speakers == fold.partitions.split.train.speakers()


def test_fixed_speeds_beside_live_training_are_refused(synthetic_root, tmp_path):
    given = [synthetic_root], "emotion", SPEC, tmp_path, [0], 3
    with pytest.raises(InputError, match="`speeds` must be empty"):
        CrossValidation(*given, speeds=(1.2,), live=WaveAugmentation())


def test_weights_trained_on_a_held_out_speaker_are_refused(trial, tmp_path, monkeypatch):
    from serkit.studies import cross_validation as module

    fold = next(iter(trial))
    split = fold.partitions.split
    file = tmp_path / "vgg.weights.h5"
    model = compact(len(trial.classes), SPEC.shape, SMALL, fold.network_seed)
    held_out = min(split.test.speakers())
    for speakers in ({held_out, *split.train.speakers()}, split.validation.speakers()):
        WeightsCard("VGG16", tuple(sorted(speakers)), "plain", 0, 1, 0.5).write(file)
        with pytest.raises(LeakError, match="training speakers") as caught:
            fold.fit(model, SETTINGS, weights=file)
        assert (held_out in str(caught.value)) == (held_out in speakers)
    assert not (fold.folder / "history.csv").exists()
    WeightsCard("VGG16", tuple(split.train.speakers()), "plain", 0, 1, 0.5).write(file)
    monkeypatch.setattr(module, "fit_classifier", lambda *_, **__: [{}])
    assert fold.fit(model, SETTINGS, weights=file) == [{}]


@pytest.mark.usefixtures("deterministic")
def test_options_of_a_call_that_failed_before_any_work_may_change(synthetic_root, tmp_path):
    def options(folds):
        arguments = [str(synthetic_root), "--folds", folds, "--out", str(tmp_path)]
        return cross_validation_parser("Claim: none.", "runs/none").parse_args(arguments)

    with pytest.raises(InputError, match="folds=2"), cross_validation(options("2"), SPEC) as trial:
        next(iter(trial))

    def fail_later():
        with cross_validation(options("3"), SPEC) as trial:
            fold = next(iter(trial))
            (fold.folder / "history.csv").touch()
            raise InputError("later")

    with pytest.raises(InputError, match="later"):
        fail_later()
    other = cross_validation(options("4"), SPEC)
    with pytest.raises(ResumeError, match=r"folds .*'3'.*'4'"), other:
        pass


def test_a_single_class_is_refused(tmp_path):
    root = tmp_path / "one"
    write_synthetic_corpus(root, SyntheticSettings(size=0.005))
    for path in root.rglob("*.wav"):
        if "RAVDESS" not in str(path).upper() or "-05-" not in path.name:
            path.unlink()
    with pytest.raises(InputError, match=r"`roots` .* angry "):
        CrossValidation([root], "emotion", SPEC, tmp_path / "out", [0])
