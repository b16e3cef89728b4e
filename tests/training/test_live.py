import itertools
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.errors import InputError
from serkit.training import live as module
from serkit.training.batches import batches_in_order, training_batches
from serkit.training.cache import decoding_table, encode
from serkit.training.live import LiveSpectrograms, concatenate_spectrograms
from serkit.training.shards import Rows

SPEC = SpectrogramSpec(frames=24, bins=40)
NOTHING = WaveAugmentation()
SOME = WaveAugmentation(speed=(0.9, 1.1), shift=0.1, snr_db=(10.0, 30.0))


def _waveforms(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((count, SPEC.samples)) * rng.uniform(0, 1, (count, 1))).astype("f4")


def _kept(waveforms: np.ndarray) -> Rows:
    """As the cache has them: one clip at a time, rounded."""
    made = np.concatenate([to_spectrogram(wave[np.newaxis], SPEC) for wave in waveforms])
    codes = encode(made, SPEC.shape, "float16").view("<u2")
    return Rows(codes, SPEC.shape, decoding_table("float16"))


def _live(count=7, augmentation=NOTHING, device="/device:CPU:0") -> LiveSpectrograms:
    waveforms = _waveforms(count)
    return LiveSpectrograms(_kept(waveforms), waveforms, SPEC, augmentation, device)


def _batches(source, steps=6, seed=3, **options) -> np.ndarray:
    found = training_batches((source,), 4, seed, **options)
    return np.stack([batch[0].numpy() for batch in itertools.islice(found, steps)])


@pytest.mark.parametrize("device", ["/device:CPU:0", ""], ids=["a clip at a time", "all at once"])
def test_without_randomness_the_bits_are_those_of_the_cache(device):
    live = _live(device=device)
    np.testing.assert_array_equal(_batches(live), _batches(live.precomputed))


def test_masks_are_those_that_kept_spectrograms_get():
    def masked(batch, seed):
        return mask(batch, seed, MaskSettings())

    live = _live()
    found = _batches(live, augment=masked)
    np.testing.assert_array_equal(found, _batches(live.precomputed, augment=masked))
    assert not np.array_equal(found, _batches(live.precomputed))


def test_values_are_rounded_as_the_cache_rounds_them(monkeypatch):
    """Those that float16 has fewer digits for, below 2 ** -14, as well."""
    rng = np.random.default_rng(1)
    size = 2.0 ** rng.uniform(-27, 0, (5, SPEC.samples))
    values = (size * rng.choice([-1, 1], size.shape)).astype("f4")
    count = SPEC.frames * SPEC.bins
    monkeypatch.setattr(
        module,
        "to_spectrogram",
        lambda waves, spec: tf.reshape(waves[:, :count], [-1, *spec.shape]),
    )
    pictures = values[:, :count].reshape(-1, *SPEC.shape)
    codes = encode(pictures, SPEC.shape, "float16").view("<u2")
    kept = Rows(codes, SPEC.shape, decoding_table("float16"))
    live = LiveSpectrograms(kept, values, SPEC, NOTHING, "/device:CPU:0")
    found, expected = _batches(live), _batches(kept)
    assert (np.abs(expected[expected != 0]) < 2.0**-14).mean() > 0.3
    np.testing.assert_array_equal(found.view("u4"), expected.view("u4"))


def test_each_step_draws_anew_and_a_resumed_run_draws_the_same():
    live = _live(4, SOME)
    whole = _batches(live)
    # Four clips, four in a batch: each step has all of them.
    clips = np.sort(whole.reshape(6, 4, -1), axis=1)
    assert len({step.tobytes() for step in clips}) == 6
    np.testing.assert_array_equal(_batches(live, 4, first_step=2), whole[2:])
    assert not np.array_equal(_batches(live, seed=4), whole)
    assert (np.abs(whole) <= 1).all()


def test_generated_spectrograms_are_used_unchanged():
    live = _live(3, SOME)
    generated = np.linspace(-1, 1, 4 * 24 * 40, dtype="f4").reshape(4, *SPEC.shape)
    together = concatenate_spectrograms([live, generated, live.select([2, 0])])
    assert together.shape == (9, *SPEC.shape)
    np.testing.assert_array_equal(together.waveform_rows, [0, 1, 2, -1, -1, -1, -1, 2, 0])
    labels = np.arange(9)
    for pictures, which in training_batches((together, labels), 9, 0).take(3):
        order = np.argsort(which)
        np.testing.assert_array_equal(pictures.numpy()[order][3:7], generated)
        assert not np.array_equal(pictures.numpy()[order][:3], live[:])
        # A copy is augmented by itself.
        assert not np.array_equal(pictures[order[0]], pictures[order[8]])


def test_batches_in_order_are_the_precomputed_spectrograms():
    live = _live(5, SOME)
    found = np.concatenate([batch.numpy() for (batch,) in batches_in_order((live,), 2)])
    np.testing.assert_array_equal(found, live.precomputed[:])
    np.testing.assert_array_equal(np.asarray(live.select(np.arange(5) > 2)), live.precomputed[3:])
    assert live.is_random
    assert not _live(2).is_random


@pytest.mark.parametrize(
    ("waveforms", "rows"), [(np.zeros((2, 8)), None), (np.zeros((3, SPEC.samples)), [0])]
)
def test_lengths_that_do_not_fit_are_refused(waveforms, rows):
    kept = np.zeros((3, *SPEC.shape), "f4")
    with pytest.raises(InputError, match="`waveforms` must be"):
        LiveSpectrograms(kept, waveforms, SPEC, NOTHING, "/device:CPU:0", rows)


def test_several_sets_of_waveforms_are_refused():
    with pytest.raises(InputError, match="`sets`"):
        concatenate_spectrograms([_live(2), _live(2)])


PLACEMENT = """
import numpy as np
import tensorflow as tf

tf.debugging.set_log_device_placement(True)
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.training.batches import training_batches
from serkit.training.live import LiveSpectrograms

spec = SpectrogramSpec(frames=24, bins=40)
waves = np.random.default_rng(0).standard_normal((4, spec.samples)).astype("f4")
kept = np.zeros((4, *spec.shape), "f4")
augmentation = WaveAugmentation(snr_db=(0.0, 10.0))
live = LiveSpectrograms(kept, waves, spec, augmentation, "/device:CPU:1")
for (pictures,) in training_batches((live,), 4, 0).take(2):
    print("sum", float(tf.reduce_sum(pictures)))
"""


def test_augmentation_and_transform_run_on_the_device():
    """Two logical devices stand for a CPU and an accelerator; TensorFlow logs where ops run."""
    done = subprocess.run(
        [sys.executable, "-c", PLACEMENT],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"},
    )
    placed = re.findall(r"\((\w+)\): \S*device:CPU:(\d)", done.stdout + done.stderr)
    for name in ("MatMul", "RFFT", "StatelessRandomNormalV2"):
        assert {place for op, place in placed if op == name} == {"1"}
    assert {place for op, place in placed if op == "PyFuncStateless"} == {"0"}
