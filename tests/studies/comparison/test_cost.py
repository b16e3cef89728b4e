import pytest

from serkit.datasets.audit import audit
from serkit.progress import SilentProgress
from serkit.studies import cost
from serkit.studies.comparison import print_estimate
from serkit.studies.cost import Cost, cost_table, estimate_cost, training_cost
from serkit.studies.engine import Comparison
from serkit.studies.generators import GANRun
from serkit.studies.train import TrainSettings


@pytest.fixture
def comparison(settings_of, small, synthetic_root, tmp_path):
    settings = settings_of(
        synthetic_root, arms=("none", "oversampling", "dcgan"), classifiers=("compact",)
    )
    return Comparison(settings, tmp_path)


@pytest.fixture
def three_seconds(monkeypatch):
    def once(step, count):
        step()
        return 3.0

    monkeypatch.setattr(cost, "median_seconds", once)


def test_steps_are_measured_and_multiplied_by_what_is_to_be_done(comparison, three_seconds):
    said = []
    gans, compact = estimate_cost(comparison, say=said.append)
    assert said == ["measuring 3 steps of dcgan", "measuring 3 steps of compact"]
    trained = [
        task
        for fold in comparison.folds
        for _, task in comparison.tasks(fold, comparison.arms[-1], (), ())
        if isinstance(task, GANRun)
    ]
    assert (gans.kind, gans.runs) == ("dcgan", len(trained))
    # A generator, a discriminator, and Adam's two moments of each of their weights.
    assert gans.disk_bytes > gans.runs * 4 * 3 * 10_000
    # Three seconds a step of eight examples, whatever the batch of the GAN.
    shown = [gan.settings.steps * gan.settings.batch_size for gan in trained]
    assert gans.seconds == pytest.approx(3 / 8 * sum(shown))
    assert (compact.kind, compact.runs) == ("compact", 9)
    # Two epochs of two steps, validation, and the predictions of the held-out clips.
    parts = [(len(fold.split.validation), len(fold.split.test)) for fold in comparison.folds]
    each = [2 * (2 * 3 + held / 8) + 3 / 8 * (held + test) for held, test in parts]
    assert compact.seconds == pytest.approx(3 * sum(each))


def test_runs_with_more_seeds_are_counted(
    settings_of, small, synthetic_root, tmp_path, three_seconds
):
    settings = settings_of(
        synthetic_root,
        arms=("none", "oversampling", "specaugment"),
        classifiers=("compact",),
        more_seeds=(1, 2),
        best=1,
    )
    (compact,) = estimate_cost(Comparison(settings, tmp_path))
    # Three arms with one seed; none and the best arm with two more.
    assert compact.runs == 3 * (3 + 2 * 2)


def test_what_is_done_costs_nothing(comparison, monkeypatch):
    monkeypatch.setattr(cost, "unfinished_runs", lambda comparison: [])
    assert estimate_cost(comparison) == []


def test_the_table_adds_up():
    costs = [Cost("dcgan", 4, 90.0, 3_000_000), Cost("compact", 6, 30.0, 1_000_000)]
    text = cost_table(costs)
    assert "| dcgan | 4 | 1.5 | 3 |" in text
    assert "| all | 10 | 2.0 | 4 |" in text


def test_a_dry_run_trains_nothing_and_makes_no_folder(
    settings_of, small, synthetic_root, tmp_path, monkeypatch
):
    monkeypatch.setattr(cost, "median_seconds", lambda step, count: 3.0)
    settings = settings_of(synthetic_root, arms=("none", "dcgan"), classifiers=("compact",))
    said, progress = [], SilentProgress()
    monkeypatch.setattr(progress, "say", said.append)
    print_estimate(settings, tmp_path / "run", None, progress)
    text = "\n".join(said)
    assert "| dcgan |" in text
    assert "spectrograms: " in text
    assert not (tmp_path / "run").exists()


def test_a_network_is_trained_on_each_fold_and_then_on_all_speakers(synthetic_root, three_seconds):
    root = synthetic_root / "RAVDESS"
    settings = TrainSettings((str(root),), model="compact", folds=3, epochs=2)
    found = training_cost(settings, SilentProgress())
    assert (found.kind, found.runs) == ("compact", 4)
    clips = len(audit([root]).corpus)
    part = clips // 3
    # 24 steps of 3 s, and validation, a third of a step; predictions, 3 s for 8 clips.
    epochs = 2 * (24 * 3 + part / 32)
    assert found.seconds == pytest.approx(4 * epochs + 3 / 8 * (3 * 2 * part + part))
    speeds = 3
    spectrograms = 2 * speeds * clips * 160 * 80
    assert found.disk_bytes > spectrograms


def test_features_are_measured_on_a_few_recordings(synthetic_root, small_encoders):
    root = synthetic_root / "RAVDESS"
    found = training_cost(TrainSettings((str(root),), folds=3), SilentProgress())
    assert (found.kind, found.runs) == ("whisper-tiny.en", 4)
    assert found.seconds > 0
    assert found.disk_bytes > 0
