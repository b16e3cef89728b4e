"""Which arms, tasks and inputs linear classifiers of features have in a comparison."""

import functools

import numpy as np
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import ARMS, GANS
from serkit.datasets.feature_table import FeatureTable
from serkit.errors import InputError
from serkit.progress import Progress
from serkit.studies import engine, head_runs
from serkit.studies.comparison_inputs import InputsBySpeed, InputTask
from serkit.studies.cost import estimate_cost, unfinished_runs
from serkit.studies.engine import Comparison
from serkit.studies.generators import GANRun
from serkit.studies.head_runs import HeadRun
from serkit.studies.network_runs import NetworkRun
from serkit.studies.results import describe_short_run, make_results

_SMALL = SpectrogramSpec(frames=32, bins=32, hop=1536)
_ENCODER = "whisper-tiny.en"
_POSSIBLE = ("none", "class-weights", "oversampling", "speed")


class _Quiet(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.said = []

    def say(self, text):
        self.said.append(text)


@pytest.fixture
def comparison(synthetic_root, settings_of, own_features, small_encoders, small, tmp_path):
    """Makes a comparison of linear classifiers; by default of the user's own features."""

    def make(name="run", root="RAVDESS", **changed):
        usual = {"classifiers": ("features",), "arms": ("none", "class-weights"), "spec": _SMALL}
        if "features" in changed.get("classifiers", ("features",)):
            usual["features"] = str(own_features)
        (tmp_path / name).mkdir(exist_ok=True)
        settings = settings_of(synthetic_root / root, **usual | {"rare_below": 0.9} | changed)
        return Comparison(settings, tmp_path / name, tmp_path / "cache", _Quiet())

    return make


@pytest.fixture
def fitted(monkeypatch):
    """Numbers of training examples of the classifiers that were fitted, in order."""
    counts = []
    fit = head_runs.fit_linear_head

    def counting(train, *arguments):
        counts.append(len(train))
        return fit(train, *arguments)

    monkeypatch.setattr(head_runs, "fit_linear_head", counting)
    return counts


def _names(arms) -> list[str]:
    return [arm.name for arm in arms]


def _tasks(comparison: Comparison) -> list:
    return [task for _, task in comparison._tasks_of(comparison.arms, (0,))]


def test_it_is_trained_with_the_arms_that_change_no_features(comparison):
    made = comparison(classifiers=(_ENCODER,), arms=tuple(ARMS))
    assert tuple(_names(made.arms)) == _POSSIBLE
    left_out = [name for name in ARMS if name not in _POSSIBLE]
    message = f"{_ENCODER} is not trained with {', '.join(left_out)}: its features are computed"
    assert made.left_out_message.startswith(message)
    assert f"! {made.left_out_message}" in made.progress.said
    assert not any(isinstance(task, GANRun) for task in _tasks(made))
    # The user's own features have no other speeds.
    own = comparison("own", arms=("none", "speed", "oversampling"))
    assert _names(own.arms) == ["none", "oversampling"]
    assert own.left_out_message.startswith("features is not trained with speed: ")


def test_nothing_is_said_if_no_arm_is_left_out(comparison):
    made = comparison(classifiers=(_ENCODER, "compact"), arms=_POSSIBLE)
    assert made.left_out_message == ""
    assert not any(line.startswith("!") for line in made.progress.said)


def test_each_classifier_gets_its_arms(comparison):
    arms = ("none", "class-weights", "speed", "specaugment", "dcgan")
    made = comparison(classifiers=("compact", _ENCODER, "features"), arms=arms)
    assert tuple(_names(made.arms)) == arms
    assert {name: tuple(_names(made.arms_of(name))) for name in made.settings.classifiers} == {
        "compact": arms,
        _ENCODER: arms[:3],
        "features": arms[:2],
    }
    first, second = made.left_out_message.split("; ")
    assert first.startswith(f"{_ENCODER} is not trained with specaugment, dcgan: ")
    assert second.startswith("features is not trained with speed, specaugment, dcgan: ")
    runs = [task for task in _tasks(made) if isinstance(task, HeadRun | NetworkRun)]
    assert {(type(run), run.classifier) for run in runs} == {
        (NetworkRun, "compact"),
        (HeadRun, _ENCODER),
        (HeadRun, "features"),
    }
    assert len(runs) == 3 * (5 + 3 + 2)
    assert all(run.data.arm in made.arms_of(run.classifier) for run in runs)


def test_results_are_of_the_arms_of_each_classifier(comparison, pretend):
    """A fit without SpecAugment is no fit with it, although its inputs are the same."""
    arms = ("none", "class-weights", "specaugment", "mixup")
    made = comparison(classifiers=("compact", "features"), arms=arms)
    made.run()
    results = make_results(made)["protocols"]["k-fold"]["classifiers"]
    assert {name: tuple(found["arms"]) for name, found in results.items()} == {
        "compact": arms,
        "features": arms[:2],
    }
    # One p-value is not corrected.
    difference = results["features"]["arms"]["class-weights"]["difference"]
    assert difference["p_holm"] == difference["uar"]["p"]


def test_gans_are_trained_for_networks_alone(comparison):
    arms = ("none", "oversampling", "dcgan", "wgan-gp")
    alone = comparison(classifiers=(_ENCODER,), arms=arms)
    assert not any(isinstance(task, GANRun) for task in _tasks(alone))
    assert not any(arm.fill in GANS for arm in alone.arms)
    mixed = comparison("mixed", classifiers=(_ENCODER, "compact"), arms=arms)
    needed = {folder for task in _tasks(mixed) for folder in task.needs}
    gans = [task for task in _tasks(mixed) if isinstance(task, GANRun)]
    assert {gan.kind for gan in gans} == {"dcgan", "wgan-gp"}
    assert {gan.folder for gan in gans} <= needed


def test_inputs_are_tasks_before_what_needs_them(comparison):
    made = comparison(classifiers=("compact", _ENCODER, "features"), arms=_POSSIBLE)
    tasks = _tasks(made)
    folders = [task.folder for task in tasks]
    inputs = [task for task in tasks if isinstance(task, InputTask)]
    titles = {task.title for task in inputs}
    assert f"features of {_ENCODER}-1-to-64-speed-0.9" in titles
    assert "spectrograms-1-to-64-speed-1.1" in titles
    assert len(titles) == 2 * 3
    for run in (task for task in tasks if not isinstance(task, InputTask)):
        speeds = (1.0, 0.9, 1.1) if run.data.arm.name == "speed" else (1.0,)
        expected = made.inputs_of(run.classifier).task_folders(speeds)
        assert run.needs == expected
        assert len(expected) == (0 if run.classifier == "features" else len(speeds))
        assert all(folders.index(need) < folders.index(run.folder) for need in run.needs)
    # No spectrograms are computed where no network needs them.
    alone = _tasks(comparison("alone", classifiers=(_ENCODER,), arms=_POSSIBLE))
    kinds = {task.kind for task in alone if isinstance(task, InputTask)}
    assert kinds == {f"features of {_ENCODER}"}


def test_own_features_have_no_tasks_and_are_read_for_any_clips(own_features, synthetic_corpus):
    corpus = synthetic_corpus.where(lambda clip: clip.corpus == "ravdess")
    inputs = InputsBySpeed(corpus, FeatureTable(own_features), [1.0, 0.9], own_features.parent)
    assert list(inputs.tasks([1.0, 0.9])) == []
    assert inputs.task_folders([1.0]) == ()
    np.testing.assert_array_equal(inputs[1.0], np.load(own_features).astype("float32"))
    assert inputs[1.0] is inputs[1.0]
    assert inputs.key == FeatureTable(own_features).key(corpus)


def _results(comparison: Comparison) -> dict:
    return make_results(comparison)["protocols"]["k-fold"]["classifiers"]["features"]["arms"]


def test_another_seed_is_no_other_fit(comparison, fitted):
    made = comparison(seeds=(0, 1), more_seeds=(2,), best=1)
    made.run()
    assert any("0 of 6 done; left: not measured yet: 6 x " in line for line in made.progress.said)
    assert len(fitted) == 2 * 3
    assert _names(made.best_arms("k-fold", "features")) == ["class-weights"]
    assert made.failures == {}
    several, one = _results(made), _results(comparison("other"))
    assert len(fitted) == 6
    for name, arm in one.items():
        assert (arm["seeds"], several[name]["seeds"]) == ([0], [0, 1, 2])
        # An interval is not narrower for predictions that are counted three times.
        for measure in ("uar", "macro_f1", "accuracy"):
            assert several[name][measure] == arm[measure]
    differences = [found["class-weights"]["difference"]["uar"] for found in (several, one)]
    assert differences[0]["estimate"] == differences[1]["estimate"]


def test_all_protocols_take_features(comparison):
    made = comparison(protocol="both", folds=1, arms=("none",))
    made.run()
    results = make_results(made)
    assert list(results["protocols"]) == ["hold-out", "random"]
    assert set(results["gap"]["features"]) == {"none"}


def test_corpora_are_told_from_what_the_first_classifier_gets(
    comparison, synthetic_corpus, tmp_path, monkeypatch, rng
):
    """A corpus is left out, and the corpora are told apart, without any spectrogram."""
    monkeypatch.setattr(InputTask, "rows", None)
    corpus = synthetic_corpus.where(lambda clip: clip.corpus in ("ravdess", "crema-d"))
    features = rng.normal(size=(len(corpus), 6))
    features[:, 0] += [20 * (clip.corpus == "ravdess") for clip in corpus.clips]
    np.save(tmp_path / "told.npy", features)
    made = comparison(
        root="",
        without=("tess", "savee"),
        protocol="leave-one-corpus-out",
        arms=("none",),
        features=str(tmp_path / "told.npy"),
    )
    made.run()
    results = make_results(made)
    assert len(results["protocols"]["leave-one-corpus-out"]["folds"]) == 2
    found = results["corpora"]
    assert (found["uar"], found["features_of"]) == (1.0, "features")


def test_folds_without_some_clips_have_the_features_of_theirs(
    comparison, synthetic_corpus, tmp_path
):
    """CREMA-D has no surprise, so that the fold that trains on it has no such test clips."""
    corpus = synthetic_corpus.where(lambda clip: clip.corpus in ("ravdess", "crema-d"))
    np.save(tmp_path / "numbers.npy", np.arange(len(corpus))[:, np.newaxis])
    made = comparison(
        root="",
        without=("tess", "savee"),
        protocol="leave-one-corpus-out",
        arms=("none",),
        features=str(tmp_path / "numbers.npy"),
    )
    positions = {clip.path: position for position, clip in enumerate(made.corpus.clips)}
    assert {len(fold.corpus) < len(corpus) for fold in made.folds} == {True, False}
    for fold in made.folds:
        inputs = made.classifier_run(fold, "features", made.arms[0], 0).data.fold.partitions
        for clips in fold.split.partitions().values():
            found = inputs.examples(clips).spectrograms
            assert np.ravel(found).tolist() == [positions[clip.path] for clip in clips.clips]


def test_a_file_that_does_not_fit_is_refused_before_any_work(comparison, tmp_path):
    np.save(tmp_path / "few.npy", np.zeros((3, 2)))
    made = comparison(features=str(tmp_path / "few.npy"))
    with pytest.raises(InputError, match=r"few\.npy must have a row for each of 64 clips"):
        made.run()
    assert not made.cache.exists()


def test_encoders_are_loaded_once(comparison, monkeypatch):
    loaded = []
    real = engine.open_features
    monkeypatch.setattr(
        engine, "open_features", lambda *given: loaded.append(given[:3]) or real(*given)
    )
    made = comparison(classifiers=(_ENCODER, "compact"), weights="here-1")
    assert len(unfinished_runs(made)) == 2 * 2 * 3
    _tasks(made)
    assert loaded == [(_ENCODER, "here-1", None)]


def test_costs_are_of_networks(comparison, monkeypatch):
    monkeypatch.setattr("serkit.studies.cost.median_seconds", lambda step, count: 1.0)
    made = comparison(classifiers=("features", "compact", _ENCODER))
    assert [cost.kind for cost in estimate_cost(made)] == ["compact"]


def test_a_short_run_says_what_it_shortened_of_networks(comparison):
    short = functools.partial(comparison, short=True)
    sentence = "A short run shows only that everything works"
    assert describe_short_run(short()) == f"{sentence}: 3 folds"
    assert describe_short_run(short(folds=1)) == sentence
    mixed = short(classifiers=("features", "compact"))
    assert describe_short_run(mixed) == f"{sentence}: 2 epochs of 2 steps; 3 folds"
