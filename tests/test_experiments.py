"""Every experiment takes the same options and fails as a command does."""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf

import serkit
from serkit.cli.arguments import spec_of
from serkit.errors import InputError, ResumeError
from serkit.files import write_json
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings
from serkit.models.whisper import WhisperSettings, whisper_encoder
from serkit.studies.run_folder import RunFolder
from serkit.studies.search_spaces import CompactRecipe

EXPERIMENTS = sorted((Path(serkit.__file__).parents[1] / "experiments").glob("*.py"))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    experiment = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(experiment)
    return experiment


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_it_takes_recordings_spectrograms_and_a_folder(path, monkeypatch, tmp_path):
    assert path.read_text("utf-8").endswith("    run_experiment(main, parse())\n")
    experiment = load(path)
    if hasattr(experiment, "whisper_from_preset"):
        # Not every machine has the weights of an encoder.
        small = whisper_encoder(WhisperSettings(depth=1, width=64))
        monkeypatch.setattr(experiment, "whisper_from_preset", lambda *arguments: small)
    has_spectrograms = "spectrograms=False" not in path.read_text("utf-8")
    spectrograms = ["--kind", "log", "--sample-rate", "22050"] if has_spectrograms else []
    words = ["nowhere", *spectrograms, "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [path.name, *words])
    options = experiment.parse()
    assert [str(root) for root in options.roots] == ["nowhere"]
    if spectrograms:
        assert (spec_of(options).kind, spec_of(options).sample_rate) == ("log", 22_050)
    assert options.out == tmp_path / "out"
    with pytest.raises(InputError, match=r"nowhere does not exist$"):
        experiment.main(options)


def test_compare_augmentation_checks_its_options_before_work_and_locks_its_folder(
    monkeypatch, tmp_path, synthetic_root
):
    (path,) = (path for path in EXPERIMENTS if path.stem == "compare_augmentation")
    experiment, out = load(path), tmp_path / "run"
    words = [path.name, str(synthetic_root), "--out", str(out), "--gan-steps", "1"]
    monkeypatch.setattr(sys, "argv", words)
    options = experiment.parse()
    with pytest.raises(InputError, match="`gan_steps` must be 20 or more"):
        experiment.main(options)
    assert not (out / "settings.json").exists()
    with RunFolder(out, {}), pytest.raises(ResumeError, match="another process"):
        experiment.main(options)


@pytest.mark.parametrize(("spectrograms", "pool"), [("own", (1, 1)), ("report", (2, 4))])
def test_train_compact_fits_a_tuned_network_to_its_spectrograms(
    monkeypatch, tmp_path, spectrograms, pool
):
    (path,) = (path for path in EXPERIMENTS if path.stem == "train_compact")
    experiment, best = load(path), tmp_path / "best.json"
    tuned = CompactRecipe(CompactSettings(dropout=0.5), FitSettings(epochs=9, learning_rate=5e-4))
    write_json(best, {"kind": "classifier", "settings": asdict(tuned)})
    words = ["--tuned", str(best), "--spectrograms", spectrograms, "--epochs", "3"]
    monkeypatch.setattr(sys, "argv", [path.name, "nowhere", *words])
    recipe = experiment.recipe_of(experiment.parse())
    assert (recipe.network.pool, recipe.network.dropout) == (pool, 0.5)
    assert (recipe.fit.epochs, recipe.fit.learning_rate) == (3, 5e-4)


def test_nothing_but_our_line_reaches_the_user():
    (path,) = (path for path in EXPERIMENTS if path.stem == "report_choices")
    # It imports Keras and TensorFlow itself, before the rest of serkit.
    assert "\nimport tensorflow" in path.read_text("utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    words = [sys.executable, str(path), "nowhere"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    # The newest TensorFlow's library writes lines of its own before it reads any setting.
    unasked = re.compile(r"WARNING: All log messages before absl|I\d{4} ")
    lines = [line for line in done.stderr.splitlines() if not unasked.match(line)]
    assert lines == ["report_choices.py: nowhere does not exist"]


def test_image_transforms_do_what_their_names_say():
    """To a block of sound, 40 of 160 frames by 20 of 80 bands, in the middle of its spectrogram."""
    (path,) = (path for path in EXPERIMENTS if path.stem == "image_transforms")
    experiment = load(path)
    clips, seed = np.full((40, 160, 80, 1), -1.0, "float32"), tf.constant([1, 2])
    clips[:, 60:100, 30:50] = 1.0
    clips[:, 60:80, 30:50] = 0.5
    made = {}
    for name, transform in experiment.TRANSFORMS.items():
        if transform is None:
            continue
        made[name] = transform(clips, seed).numpy()
        mapped = tf.data.Dataset.from_tensors(clips).map(lambda x, t=transform: t(x, seed))
        assert mapped.element_spec.shape.is_compatible_with(clips.shape)
        np.testing.assert_allclose(next(iter(mapped)), made[name], atol=1e-5)
        assert np.abs(made[name]).max() <= 1
        assert not np.array_equal(made[name], transform(clips, tf.constant([1, 3])))
    size = {name: (found > 0).sum(axis=(1, 2, 3)) / 800 for name, found in made.items()}
    time = {name: [np.argwhere(clip > 0)[:, 0].mean() for clip in made[name]] for name in made}
    np.testing.assert_allclose(size["rotate"], 1, atol=0.06)
    np.testing.assert_allclose(time["rotate"], 79.5, atol=0.5)
    tilted = [np.ptp(np.argwhere(clip > 0)[:, 0]) for clip in made["rotate"]]
    # 20 bands are a quarter of the picture, as 40 frames are: each end of the block moves by up to
    # half of that, by the sine of 10 degrees.
    assert 39 <= min(tilted) < 41 < 44 < max(tilted) <= 47
    assert 0.64 * 0.9 < size["scale"].min() < 0.8 < 1.3 < size["scale"].max() < 1.5625 * 1.1
    np.testing.assert_allclose(time["scale"], 79.5, atol=0.5)
    assert 0.95 < size["crop"].min() < 1.1 < 1.4 < size["crop"].max() < 1.5625 * 1.1
    assert np.std(time["crop"]) > 3
    backwards = (made["flip"][:, 60, 40, 0] == 1.0).sum()
    assert 12 <= backwards <= 28
    assert (made["flip"] == clips).all(axis=(1, 2, 3)).sum() == 40 - backwards
    quiet = (made["noise"] - clips)[:, 60:80, 30:50].std(axis=(1, 2, 3))
    assert quiet.min() < 0.02 < 0.08 < quiet.max() < 0.105


def test_routed_batch_normalisation_keeps_real_and_generated_clips_apart():
    """Real clips have the outputs and moving averages that they have without generated ones."""
    (path,) = (path for path in EXPERIMENTS if path.stem == "generated_data")
    experiment = load(path)
    settings = CompactSettings(pool=(1, 1), channels=(4, 8), dropout=0.0)
    plain, routed = (compact(3, (16, 16, 1), settings, seed=1) for _ in range(2))
    rng = np.random.default_rng(0)
    real = rng.uniform(-0.9, 1, (4, 16, 16, 1)).astype("float32")
    generated = rng.uniform(-0.9, 0, (3, 16, 16, 1)).astype("float32")
    routing = experiment.Routing()
    routing.replace_calls(routed)
    routing.is_generated = tf.constant([0, 0, 0, 0, 1, 1, 1], tf.float32)
    found = routed(np.concatenate([real, generated]), training=True)
    np.testing.assert_allclose(found[:4], plain(real, training=True), atol=1e-5)
    for one, other in zip(plain.weights, routed.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    # The generated clips have statistics of their own, too, and change no moving average.
    np.testing.assert_allclose(found[4:], plain(generated, training=True), atol=1e-5)
    routing.is_generated = tf.zeros(4)
    np.testing.assert_allclose(routed(real, training=True), found[:4], atol=1e-5)
