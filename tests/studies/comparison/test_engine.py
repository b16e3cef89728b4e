import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import GANS
from serkit.errors import DivergedError, InputError, LeakError, RecordingError
from serkit.files import read_json, write_json
from serkit.progress import Progress
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison_inputs import InputTask
from serkit.studies.engine import Comparison
from serkit.studies.generators import GANRun, in_training_order
from serkit.studies.results import describe_short_run, make_results
from serkit.studies.run_folder import RunFolder

# Nothing is trained on these; a GAN's have another size.
_SMALL = SpectrogramSpec(frames=32, bins=32, hop=1536)


class _Quiet(Progress):
    def say(self, text):
        self.said = [*getattr(self, "said", []), text]


@pytest.fixture
def comparison(synthetic_root, settings_of, tmp_path):
    """Makes a comparison in a folder of its own, or in one that was used before."""
    opened = []

    def make(name="run", **changed):
        if opened:
            opened.pop().__exit__()
        opened.append(RunFolder(tmp_path / name, {}))
        usual = {"classifiers": ("compact",), "spec": _SMALL}
        settings = settings_of(synthetic_root, **usual | changed)
        return Comparison(settings, opened[0].folder, tmp_path / "cache", _Quiet())

    yield make
    for run in opened:
        run.__exit__()


@pytest.fixture
def trained(monkeypatch, pretend):
    """Names of what was trained, in order."""
    names = []
    for kind in (ClassifierRun, GANRun):
        monkeypatch.setattr(kind, "run", _noting(names, kind.run))
    return names


def _noting(names, run):
    def noted(self, verbose):
        names.append(self.title)
        run(self, verbose)

    return noted


def test_a_short_run_says_what_it_shortened(comparison):
    said = describe_short_run(comparison(short=True, most_rare=1, rare_below=2.0))
    assert said.endswith(
        "3 folds; GANs of width 0.05, 2 steps a class; GANs for 1 of 6 rare classes; "
        "no sample filter"
    )


def test_cheap_arms_come_first_and_gans_before_the_classifiers_that_need_them(comparison, trained):
    comparison().run()
    assert trained[:6] == [
        f"compact-{arm}-k-fold-{fold}-seed-0"
        for arm in ("none", "oversampling")
        for fold in (1, 2, 3)
    ]
    assert trained[6:9] == [
        *("dcgan-all-k-fold-1", "dcgan-surprise-k-fold-1"),
        "compact-dcgan-k-fold-1-seed-0",
    ]
    assert len(trained) == 15


def test_more_seeds_are_of_none_and_of_what_was_best_in_validation(comparison, trained):
    made = comparison(more_seeds=(1, 2), best=1)
    made.run()
    again = [name for name in trained if "seed-0" not in name and not name.startswith("dcgan")]
    arms = [name.split("-")[1] for name in again]
    assert arms == ["none"] * 6 + ["oversampling"] * 6
    assert [arm.name for arm in made.best_arms("k-fold", "compact")] == ["oversampling"]
    assert any("0 of 28 done" in line for line in made.progress.said)
    assert len(trained) == 27


def test_what_is_done_is_known_by_its_content_and_not_done_again(comparison, trained):
    comparison().run()
    comparison("other", arms=("none", "dcgan", "mixup"), seeds=(0, 5)).run()
    assert trained[15:] == [
        *(f"compact-none-k-fold-{fold}-seed-5" for fold in (1, 2, 3)),
        *(f"compact-mixup-k-fold-{fold}-seed-{seed}" for fold in (1, 2, 3) for seed in (0, 5)),
        *(f"compact-dcgan-k-fold-{fold}-seed-5" for fold in (1, 2, 3)),
    ]
    # Other GANs are other work; oversampling does not hang on them.
    del trained[:]
    gans = replace(comparison().settings.gans, steps=3)
    comparison("third", gans=gans).run()
    assert not any("oversampling" in name for name in trained)
    assert not any(name.startswith("dcgan-all") for name in trained)
    assert sum("compact-dcgan" in name for name in trained) == 3


def test_what_two_arms_do_alike_is_done_once(comparison, trained):
    comparison(arms=("none", "specaugment")).run()
    del trained[:]
    made = comparison("other", arms=("none", "oversampling"), everywhere=("specaugment",))
    made.run()
    # None with masks everywhere is the arm specaugment.
    assert trained == [f"compact-oversampling-k-fold-{fold}-seed-0" for fold in (1, 2, 3)]
    assert len(made.finished_runs("k-fold", "compact", made.arms[0])) == 3


def test_filtered_samples_need_the_classifier_of_the_sample_filter_first(comparison, trained):
    made = comparison(gated=True, arms=("none", "dcgan"), classifiers=("resnet50-head",))
    first = made.classifier_run(made.folds[0], "resnet50-head", made.arms[1], 0)
    reference = made.classifier_run(made.folds[0], "compact", made.arms[0], 0)
    assert reference.keep_model
    trained_filter = first.data.trained_filter
    assert (trained_filter.key, trained_filter.model_file) == (reference.key, reference.model_file)
    assert reference.folder in first.needs
    tasks = [task.folder for _, task in made._tasks_of(made.arms, (0,))]
    assert tasks.index(reference.folder) < tasks.index(first.folder)
    plain = comparison(arms=("none", "dcgan"), classifiers=("resnet50-head",))
    assert plain.classifier_run(plain.folds[0], "resnet50-head", plain.arms[1], 0).key != first.key


def test_a_gan_trained_on_a_test_speaker_is_refused(comparison, pretend, monkeypatch, small):
    """Planted in the cache: its samples would go into training."""
    made = comparison(arms=("none", "dcgan"), spec=SpectrogramSpec())
    fold = made.folds[0]
    for gan in in_training_order(made.gans("dcgan", fold)):
        gan.run(0)
        card = read_json(gan.folder / "generator.json")
        heard = sorted({*card["speakers"], *fold.split.test.speakers()})
        write_json(gan.folder / "generator.json", card | {"speakers": heard})
    monkeypatch.undo()
    training = made.classifier_run(fold, "compact", made.arms[1], 0)
    with pytest.raises(LeakError, match="speakers"):
        training.run(0)
    assert not training.is_done


def test_splits_are_written_and_speeds_computed_only_if_an_arm_needs_them(comparison):
    made = comparison(arms=("none",))
    assert read_json(made.out / "splits" / "k-fold-1.json")["protocol"] == "k-fold"
    assert list(made.folds[0].inputs) == [1.0]
    assert list(comparison(arms=("none", "speed")).folds[0].inputs) == [1.0, 0.9, 1.1]


def test_spectrograms_are_pieces_before_what_needs_them(comparison):
    made = comparison(arms=("none", "speed", "dcgan"))
    assert not made.cache.exists()
    tasks = [task for _, task in made._tasks_of(made.arms, (0,))]
    places = [task.folder for task in tasks]
    assert not made.cache.exists()
    for task in tasks:
        speeds = [1.0, 0.9, 1.1] if "compact-speed" in task.title else [1.0]
        needs = {place for place in task.needs if place.parent.name == "audio"}
        assert (
            needs == set()
            if isinstance(task, InputTask)
            else set(made.spectrograms.task_folders(speeds))
        )
        assert all(places.index(place) < places.index(task.folder) for place in needs)
    # Those of other speeds when their arm's turn has come.
    assert places.index(*made.spectrograms.task_folders([0.9])) > places.index(
        made.classifier_run(made.folds[2], "compact", made.arms[0], 0).folder
    )


def test_a_recording_that_went_bad_ends_the_run_before_any_training(
    synthetic_root, comparison, trained, tmp_path
):
    root = tmp_path / "root"
    shutil.copytree(synthetic_root, root)
    made = comparison(roots=(str(root),))
    bad = made.corpus.files()[100]
    good = Path(bad).read_bytes()
    Path(bad).write_bytes(b"RIFF")
    with pytest.raises(RecordingError, match=rf"^{bad}: [^\n]*$"):
        made.run()
    assert trained == []
    Path(bad).write_bytes(good)
    comparison(roots=(str(root),)).run()
    assert len(trained) == 15


def test_all_kinds_of_gan_can_be_asked_for(comparison, trained):
    comparison(arms=("none", "dcgan", "wgan-gp", "conditional-gan")).run()
    for kind in GANS:
        assert sum(name.startswith(f"{kind}-all-") for name in trained) == 3


def test_where_no_class_is_rare_arms_that_fill_are_left_out_but_not_all_arms(comparison):
    with pytest.raises(InputError, match=r"`arms`.*oversampling, dcgan.*10%.*`rare_below`"):
        comparison(rare_below=0.1)
    some = comparison("other", rare_below=0.1, arms=("none", "mixup", "oversampling", "dcgan"))
    assert [arm.name for arm in some.arms] == ["none", "mixup"]
    assert "oversampling, dcgan" in some.left_out_message
    assert comparison("all", rare_below=0.6).left_out_message == ""


def test_a_gan_that_diverges_takes_its_arm_along_and_no_other(comparison, pretend, monkeypatch):
    def diverge(self, verbose):
        raise DivergedError("a loss is no number")

    monkeypatch.setattr(GANRun, "run", diverge)
    made = comparison(more_seeds=(1,), best=2)
    made.run()
    assert set(made.failures.values()) == {"a loss is no number"}
    assert all("dcgan" in name for name in made.failures)
    arms = {arm.name: made.finished_runs("k-fold", "compact", arm) for arm in made.arms}
    assert {name: len(mine) for name, mine in arms.items()} == {
        **{"none": 6, "oversampling": 6, "dcgan": 0}
    }
    results = make_results(made)
    assert list(results["failed"]) == list(made.failures)
    assert "dcgan" not in results["protocols"]["k-fold"]["classifiers"]["compact"]["arms"]


def test_the_gap_between_both_protocols_of_a_single_split(comparison, pretend):
    made = comparison(arms=("none", "oversampling"), protocol="both", folds=1)
    made.run()
    results = make_results(made)
    assert list(results["protocols"]) == ["hold-out", "random"]
    assert set(results["gap"]["compact"]) == {"none", "oversampling"}


def test_more_seeds_that_lie_in_the_cache_do_not_count_for_other_arms(comparison, trained):
    comparison(more_seeds=(1,), best=2).run()
    made = comparison("other", more_seeds=(1,), best=1)
    made.run()
    counts = [len(made.finished_runs("k-fold", "compact", arm)) for arm in made.arms]
    assert counts == [6, 6, 3]
