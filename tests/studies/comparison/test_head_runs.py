"""Fits of a linear classifier of features in a comparison: by hand, resumed, and elsewhere."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.models.linear_head import LinearHeadSettings, fit_linear_head
from serkit.progress import SilentProgress
from serkit.studies import comparison as module
from serkit.studies import engine, head_runs
from serkit.studies.comparison import compare
from serkit.studies.engine import Comparison
from serkit.studies.head_runs import HeadRun
from serkit.studies.training_sets import AddedExamples, TrainingSet
from serkit.training.examples import Examples

_ARMS = ("none", "class-weights", "oversampling")


@pytest.fixture(scope="module")
def settings(synthetic_root, settings_of, own_features):
    """Settings of a comparison of the user's own features."""
    return settings_of(
        synthetic_root / "RAVDESS",
        classifiers=("features",),
        features=str(own_features),
        arms=_ARMS,
        rare_below=0.9,
    )


@pytest.fixture(scope="module")
def out(settings, tmp_path_factory) -> Path:
    """Run folder of a finished comparison."""
    folder = tmp_path_factory.mktemp("heads") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "write_comparison_report", lambda *given, **named: None)
        compare(settings, folder, progress=SilentProgress())
    return folder


@pytest.fixture
def compared(settings, out) -> Comparison:
    return Comparison(settings, out, progress=SilentProgress())


def _run(comparison: Comparison, arm: str = "none", seed: int = 0, **changed) -> HeadRun:
    (found,) = (each for each in comparison.arms if each.name == arm)
    run = comparison.classifier_run(comparison.folds[0], "features", found, seed)
    assert isinstance(run, HeadRun)
    return replace(run, **changed)


def _rows(comparison: Comparison, own_features: Path, clips) -> np.ndarray:
    """Features of some clips, from the user's file."""
    rows = dict(zip(comparison.corpus.clips, np.load(own_features), strict=True))
    return np.array([rows[clip] for clip in clips], "float32")


@pytest.mark.parametrize("arm", _ARMS)
def test_a_fit_is_that_of_the_training_clips_by_hand(compared, own_features, arm):
    split, run = compared.folds[0].split, _run(compared, arm)
    clips = list(split.train.clips)
    if arm == "oversampling":
        counts = split.train.counts("emotion")
        assert set(counts.values()) == {counts["angry"], 2 * counts["angry"]}
        # Each class is filled up to the double: with each of its clips once more.
        clips += [clip for clip in clips if counts[clip.emotion] == counts["angry"]]
    weights = "balanced" if arm == "class-weights" else "none"
    classes = compared.corpus.classes("emotion")
    numbers = [classes.index(clip.emotion) for clip in clips]
    heard = frozenset(clip.speaker for clip in clips)
    head = fit_linear_head(
        Examples(_rows(compared, own_features, clips), heard, np.array(numbers)),
        Speakers(heard, frozenset(), frozenset()),
        len(classes),
        LinearHeadSettings(class_weights=weights),
    )

    def called(corpus_clips) -> np.ndarray:
        return head(_rows(compared, own_features, corpus_clips)).numpy()

    table = run.predictions()
    assert list(table["path"]) == [clip.path for clip in split.test.clips]
    assert list(table["truth"]) == split.test.labels("emotion")
    logits = table[[f"logit_{label}" for label in classes]]
    np.testing.assert_allclose(logits, called(split.test.clips), atol=1e-3)
    record = run.record()
    assert (record["examples"], record["generated"]) == (len(clips), 0)
    assert record["train_accuracy"] == pytest.approx(
        np.mean(called(clips).argmax(axis=1) == numbers)
    )
    held_out = split.validation.clips
    assert record["validation_uar"] == pytest.approx(
        balanced_accuracy_score(
            [classes.index(clip.emotion) for clip in held_out], called(held_out).argmax(axis=1)
        )
    )


def test_arms_differ(compared):
    tables = [_run(compared, arm).predictions().filter(like="logit_") for arm in _ARMS]
    assert not tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_a_fit_has_no_epochs_and_leaves_nothing_but_its_results(compared):
    run = _run(compared)
    assert run.history() == []
    names = {path.name for path in run.folder.iterdir()}
    assert names - {"seconds.json", ".lock"} == {"predictions.csv", "record.json"}


def test_a_kept_model_gives_the_predictions(compared, own_features, tmp_path):
    run = _run(compared, keep_model=True, results_folder=tmp_path)
    run.run(0)
    assert run.is_done
    head = keras.models.load_model(run.model_file)
    rows = _rows(compared, own_features, run.data.fold.split.test.clips)
    logits = run.predictions().filter(like="logit_")
    np.testing.assert_allclose(logits, head.predict(rows, verbose=0), atol=1e-5)
    assert run.predictions().equals(_run(compared).predictions())


def test_a_killed_comparison_resumes_with_the_same_bytes(
    settings, out, tmp_path, monkeypatch, kill_at
):
    monkeypatch.setattr(module, "write_comparison_report", lambda *given, **named: None)
    calls = kill_at(head_runs, "fit_linear_head", 5)
    with pytest.raises(KeyboardInterrupt):
        compare(settings, tmp_path / "run", progress=SilentProgress())
    assert not (tmp_path / "run" / "comparison.json").exists()
    compare(settings, tmp_path / "run", progress=SilentProgress())
    # Four of nine were done.
    assert len(calls) == 5 + 5
    for pattern in ("comparison.json", "tables/*.csv", "cache/trainings/*/predictions.csv"):
        files = sorted(out.glob(pattern))
        assert files
        for file in files:
            again = tmp_path / "run" / file.relative_to(out)
            assert again.read_bytes() == file.read_bytes(), file


def test_the_key_changes_with_what_predictions_depend_on(
    compared, settings, own_features, tmp_path
):
    known = _run(compared).key

    def key_with(arm="none", file=own_features, **changed) -> str:
        changed = replace(settings, features=str(file), **changed)
        return _run(Comparison(changed, compared.out, progress=SilentProgress()), arm).key

    moved, other = tmp_path / "moved.npy", tmp_path / "other.npy"
    shutil.copy(own_features, moved)
    assert key_with(file=moved) == known
    table = compared.corpus.to_frame()[["sha256"]]
    table = pd.concat([table, pd.DataFrame(np.load(own_features))], axis=1)
    table.iloc[::-1].to_csv(tmp_path / "table.csv", index=False)
    assert key_with(file=tmp_path / "table.csv") == known
    # The file is read anew for each comparison.
    features = np.load(own_features)
    features[-1, -1] += 0.001
    np.save(other, features)
    keys = [known, key_with(file=other), *(_run(compared, arm).key for arm in _ARMS[1:])]
    assert len(set(keys)) == 4
    # No network's settings are among its inputs, nor a seed.
    assert key_with(weights="imagenet", precision="float32", fit={}) == known
    assert _run(compared, seed=7).key == known
    assert _run(compared, seed=7).folder == _run(compared).folder


def test_the_key_changes_with_the_encoder(settings, compared, small_encoders):
    def key_with(arm="none", **changed) -> str:
        own = {"classifiers": ("whisper-tiny.en",), "features": None, "arms": ("none", "speed")}
        made = Comparison(replace(settings, **own | changed), compared.out)
        chosen = {each.name: each for each in made.arms}[arm]
        return made.classifier_run(made.folds[0], "whisper-tiny.en", chosen, 0).key

    known = key_with()
    assert key_with(weights="elsewhere-0") == known
    assert len({known, key_with(weights="there-1"), key_with("speed"), _run(compared).key}) == 4


@pytest.mark.parametrize("partition", ["validation", "test"])
def test_clips_of_held_out_speakers_are_refused(compared, tmp_path, monkeypatch, partition):
    run = _run(compared, results_folder=tmp_path)
    held_out = run.data.fold.split.partitions()[partition]
    leaking = AddedExamples([run.data.fold.partitions.examples(held_out)], {})
    monkeypatch.setattr(TrainingSet, "added", lambda self: leaking)
    with pytest.raises(LeakError, match="not training speakers") as caught:
        run.run(0)
    assert all(name in str(caught.value) for name in held_out.speakers())
    assert not run.is_done


def test_a_run_is_recreated_in_another_process(compared, tmp_path):
    engine._cached_comparison.cache_clear()
    run = _run(compared, "oversampling")
    factory = pickle.loads(pickle.dumps(compared.task_factory()))
    found = factory.task_named(factory.name_of(run.folder))
    assert isinstance(found, HeadRun)
    assert (found.key, found.title, found.needs) == (run.key, run.title, run.needs)
    assert found.data.fold.inputs is not run.data.fold.inputs
    again = replace(found, results_folder=tmp_path)
    again.run(0)
    for name in ("predictions.csv", "record.json"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes()
    with pytest.raises(InputError, match=r"`name`.*trainings/features-x"):
        factory.task_named("trainings/features-x")
