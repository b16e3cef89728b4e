import importlib.util
from pathlib import Path

import numpy as np
import pytest

import serkit
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import LeakError
from serkit.models.fitting import FitSettings
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.engine import Comparison
from serkit.studies.run_folder import RunFolder

_EXPERIMENT = Path(serkit.__file__).parents[1] / "experiments" / "inspect_samples.py"
_SPEC = importlib.util.spec_from_file_location("inspect_samples", _EXPERIMENT)
inspect_samples = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(inspect_samples)
Listener, inspect = inspect_samples.Listener, inspect_samples.inspect
FIT = FitSettings(epochs=1, steps_per_epoch=2, batch_size=8)


@pytest.fixture
def comparison(synthetic_root, tmp_path):
    settings = ComparisonSettings(
        (str(synthetic_root / "RAVDESS"), str(synthetic_root / "CREMA-D")),
        arms=("oversampling", "noise-images"),
        folds=3,
        first_folds=1,
        rarify=(("angry", 0.5),),
        rare_below=0.7,
        spec=SpectrogramSpec(frames=64, bins=64, hop=768),
    )
    with RunFolder(tmp_path / "run", {}) as run:
        yield Comparison(settings, run.folder)


@pytest.mark.slow
@pytest.mark.usefixtures("deterministic")
def test_sets_are_told_apart(comparison, tmp_path):
    (fold,) = comparison.folds
    listener = Listener(fold, tmp_path / "listener", FIT)
    rows = list(inspect(comparison, listener, ["oversampling", "noise-images"]))
    found = {row["set"]: row for row in rows if row["label"] == "angry"}
    assert set(found) == {"clips", "taken away", "unseen speakers", "oversampling", "noise-images"}
    assert found["oversampling"]["count"] == fold.plan["angry"]
    assert found["oversampling"]["distance"] == pytest.approx(0, abs=1e-6)
    assert found["taken away"]["distance"] == found["taken away"]["spread"] == pytest.approx(1)
    # Means of noise over 8 by 8 are all nearly the same spectrogram.
    assert found["noise-images"]["spread"] < 0.5
    assert all(0 <= row["recognised"] <= 1 for row in rows)
    assert 0 <= found["oversampling"]["coverage"] <= 1
    # Trained once: another one reads it.
    again = Listener(fold, tmp_path / "listener", FIT)
    spectrograms = fold.partitions.spectrograms(fold.split.test)
    np.testing.assert_allclose(
        again.model.predict(spectrograms, verbose=0),
        listener.model.predict(spectrograms, verbose=0),
        atol=1e-5,
    )


def test_the_listener_has_heard_training_speakers_alone(comparison, tmp_path):
    (fold,) = comparison.folds
    listener = Listener(fold, tmp_path / "listener", FIT)
    assert listener.full_training_partition.speakers() <= fold.split.speakers.train
    assert len(listener.full_training_partition) == len(fold.split.train) + len(fold.split.left_out)
    listener.full_training_partition = fold.split.test
    with pytest.raises(LeakError):
        _ = listener.model
