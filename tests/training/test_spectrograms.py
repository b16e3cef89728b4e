import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from serkit.audio import compressed
from serkit.audio.loading import load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.audio.speed import change_speed
from serkit.datasets.corpus import Corpus
from serkit.errors import InputError, RecordingError
from serkit.training import spectrograms as module
from serkit.training.spectrograms import (
    Skipped,
    accelerator,
    compute_spectrograms,
    open_cache,
    read_waveforms,
    spectrogram_dataset,
)

SPEC = SpectrogramSpec()
HALF_A_STEP = 2**-12


@pytest.fixture(scope="module")
def few(synthetic_corpus) -> Corpus:
    """A clip of each corpus, so of each sample rate."""
    first = {clip.corpus: clip for clip in synthetic_corpus.clips}
    return Corpus(tuple(first.values()), synthetic_corpus.roots)


@pytest.fixture(scope="module")
def waveforms(few) -> list[np.ndarray]:
    """Of each clip, computed by itself."""
    return [load_waveform(few.file(clip).read_bytes(), SPEC).waveform for clip in few.clips]


@pytest.fixture(scope="module")
def expected(waveforms) -> np.ndarray:
    """Spectrograms of the clips, each computed by itself."""
    return np.concatenate([to_spectrogram(wave[np.newaxis], SPEC) for wave in waveforms])


@pytest.fixture(scope="module")
def cached(few, tmp_path_factory) -> tuple[Path, list[int]]:
    """A cache of the clips, in shards of three, and the pieces that progress was told of."""
    folder, told = tmp_path_factory.mktemp("cache"), []

    def track(items, total):
        told.append(total)
        return items

    compute_spectrograms(few, SPEC, cache=open_cache(folder, SPEC, shard_clips=3), track=track)
    return folder, told


@pytest.fixture
def with_bad(few, tmp_path) -> Corpus:
    """The second of five is no recording, the fourth is not there."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "bad.wav").write_bytes(b"RIFF")
    bad = replace(few.clips[0], root="r", path="bad.wav", sha256="bad")
    gone = replace(few.clips[0], root="r", path="gone.wav", sha256="gone")
    clips = (few.clips[0], bad, few.clips[1], gone, few.clips[2])
    return Corpus(clips, {**few.roots, "r": tmp_path / "root"})


@pytest.mark.parametrize(("batch_size", "together"), [(3, 1), (3, 3), (3, 2)])
def test_pipeline_equals_clip_by_clip_exactly(few, expected, batch_size, together):
    batches = list(spectrogram_dataset(few.files(), SPEC, batch_size, clips_per_transform=together))
    assert [rows.numpy().tolist() for rows, _ in batches] == [[0, 1, 2], [3]]
    np.testing.assert_array_equal(np.concatenate([batch for _, batch in batches]), expected)


@pytest.mark.parametrize("skipped", [None, Skipped()])
def test_files_are_read_side_by_side_where_ops_are_deterministic(
    few, tmp_path, monkeypatch, deterministic, skipped
):
    files = [few.files()[0]]
    for number in range(4):
        files.append(str(tmp_path / f"{number}.flac"))
        soundfile.write(files[-1], np.full(1600, 0.1 * number), 16_000)
    # Each decoder waits for another: one file after another, none would come back.
    both = threading.Barrier(2)
    decode = compressed._decode

    def waiting(data: bytes) -> tuple:
        both.wait(timeout=20)
        return decode(data)

    monkeypatch.setattr(compressed, "_decode", waiting)
    rows = [row.numpy() for row, _ in spectrogram_dataset(files, SPEC, skipped=skipped)]
    np.testing.assert_array_equal(np.concatenate(rows), range(5))
    assert not skipped


def test_bad_files_are_reported_in_order_where_ops_are_deterministic(few, tmp_path, deterministic):
    files = few.files()
    for number in range(20):
        files.append(str(tmp_path / f"{number}.wav"))
        Path(files[-1]).write_bytes(b"RIFF" if number % 2 else b"fLaC")
    skipped = Skipped(log=False)
    ((rows, _),) = spectrogram_dataset(files, SPEC, skipped=skipped)
    np.testing.assert_array_equal(rows, range(4))
    assert list(skipped.files) == files[4:]


def test_pipeline_in_bfloat16(few, expected):
    ((_, found),) = spectrogram_dataset(few.files(), SPEC, dtype=tf.bfloat16)
    np.testing.assert_array_equal(found, tf.cast(expected, tf.bfloat16))


def test_another_speed_is_that_of_the_waveform(few, waveforms):
    changed = change_speed(np.stack(waveforms), tf.fill([4], 1.2))
    fast = to_spectrogram(changed, SPEC)
    for together in (1, 3):
        ((_, found),) = spectrogram_dataset(
            few.files(), SPEC, speed=1.2, clips_per_transform=together
        )
        np.testing.assert_allclose(found, fast, atol=1e-3)


def test_each_speed_has_its_own_place_in_the_cache(few, cached, tmp_path):
    folder, _ = cached
    plain = compute_spectrograms(few, SPEC, cache=folder)[:]
    faster = compute_spectrograms(few, SPEC, cache=folder, speed=1.2)[:]
    assert not np.array_equal(plain, faster)
    np.testing.assert_array_equal(compute_spectrograms(few, SPEC, cache=folder)[:], plain)
    cache = open_cache(folder, SPEC, speed=1.2)
    assert cache.missing([clip.sha256 for clip in few.clips]) == []
    with pytest.raises(InputError, match=r"speed=3\.0"):
        compute_spectrograms(few, SPEC, cache=tmp_path / "new", speed=3.0)


def test_computed_ones_are_the_pipeline_s_as_the_cache_rounds_them(few, expected, cached):
    """Four clips in shards of three are two pieces of progress."""
    folder, told = cached
    assert told == [2]
    found = compute_spectrograms(few, SPEC, cache=folder)
    assert found.shape == (4, *SPEC.shape)
    np.testing.assert_allclose(found[:], expected, atol=HALF_A_STEP, rtol=0)


def test_cache_goes_by_content_and_spec(few, cached):
    folder, _ = cached
    first = compute_spectrograms(few, SPEC, cache=folder)[:]
    moved = Corpus(few.clips, dict.fromkeys(few.roots, "/nowhere"))
    np.testing.assert_array_equal(compute_spectrograms(moved, SPEC, cache=folder)[:], first)
    back = Corpus(moved.clips[::-1], moved.roots)
    np.testing.assert_array_equal(compute_spectrograms(back, SPEC, cache=folder)[:], first[::-1])
    # Of other settings nothing is found, so the files are read.
    with pytest.raises(RecordingError, match="/nowhere"):
        compute_spectrograms(moved, replace(SPEC, range_db=60.0), cache=folder)


def test_only_what_is_missing_is_computed(few, tmp_path, monkeypatch):
    asked = []
    real = spectrogram_dataset

    def watched(files, *arguments, **options):
        asked.append(list(files))
        return real(files, *arguments, **options)

    monkeypatch.setattr(module, "spectrogram_dataset", watched)
    compute_spectrograms(Corpus(few.clips[:2], few.roots), SPEC, cache=tmp_path)
    compute_spectrograms(few, SPEC, cache=tmp_path)
    compute_spectrograms(few, SPEC, cache=tmp_path)
    assert asked == [few.files()[:2], few.files()[2:]]


def test_a_damaged_file_is_named_and_earlier_spectrograms_are_kept(with_bad, tmp_path):
    cache = open_cache(tmp_path / "cache", SPEC, shard_clips=1)
    with pytest.raises(RecordingError, match=r"^\S*root/bad\.wav: not a WAV file[^\n]*$"):
        compute_spectrograms(with_bad, SPEC, cache=cache)
    assert cache.missing([clip.sha256 for clip in with_bad.clips]) == [1, 2, 3, 4]


def test_a_file_that_is_gone_is_named(few, tmp_path):
    corpus = Corpus((replace(few.clips[0], path="gone.wav", sha256="gone"),), few.roots)
    with pytest.raises(RecordingError, match=r"cannot be read: .*gone\.wav"):
        compute_spectrograms(corpus, SPEC, cache=tmp_path)


def test_bad_files_are_skipped_named_and_counted_if_the_caller_wants(
    with_bad, expected, tmp_path, caplog
):
    skipped = Skipped()
    found = compute_spectrograms(with_bad, SPEC, cache=tmp_path / "cache", skipped=skipped)
    good = Corpus(with_bad.clips[::2], with_bad.roots)
    assert skipped.remaining(with_bad) == good
    np.testing.assert_allclose(found[:], expected[:3], atol=HALF_A_STEP, rtol=0)
    assert len(skipped) == 2
    assert sorted(Path(file).name for file in skipped.files) == ["bad.wav", "gone.wav"]
    assert sum("skipped" in record.message for record in caplog.records) == 2


def test_a_skipping_pipeline_says_which_rows_are_left(with_bad):
    dataset = spectrogram_dataset(with_bad.files(), SPEC, 2, skipped=Skipped())
    assert [rows.numpy().tolist() for rows, _ in dataset] == [[0, 2], [4]]


PLACEMENT = """
import sys
import tensorflow as tf

tf.debugging.set_log_device_placement(True)
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.training.spectrograms import spectrogram_dataset

for device, together in ((None, 1), ("/device:CPU:1", 1), ("/device:CPU:1", 32)):
    options = {"device": device, "clips_per_transform": together}
    print("placements of", device, together, flush=True)
    for rows, pictures in spectrogram_dataset([sys.argv[1]], SpectrogramSpec(), **options):
        print("sum", float(tf.reduce_sum(pictures)), flush=True)
"""


def test_the_transform_runs_on_the_device_and_decoding_does_not(few):
    """Two logical devices stand for a CPU and an accelerator; TensorFlow logs where ops run."""
    done = subprocess.run(
        [sys.executable, "-c", PLACEMENT, few.files()[0]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"},
    )
    _, *cases = done.stdout.split("placements of")
    assert len(cases) == 3
    for case, number in zip(cases, "011", strict=True):
        placed = re.findall(r"\((\w+)\): \S*device:CPU:(\d)", case)
        # Resampling has transforms of its own, so the test goes by the product with the bands'
        # weights.
        assert {place for op, place in placed if op == "MatMul"} == {number}
        assert ("RFFT", number) in placed
        assert {place for op, place in placed if op == "DecodePaddedRaw"} == {"0"}


def test_without_a_gpu_the_accelerator_is_the_cpu():
    if tf.config.list_physical_devices("GPU"):
        assert "GPU" in accelerator()
    else:
        assert accelerator().endswith("CPU:0")


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, trim_db=30.0)], ids=["whole", "trimmed"])
def test_waveforms_are_those_that_spectrograms_are_computed_from(few, spec):
    found = read_waveforms(few, spec)
    for waveform, clip in zip(found, few.clips, strict=True):
        loaded = load_waveform(few.file(clip).read_bytes(), spec)
        np.testing.assert_array_equal(waveform, loaded.waveform)


def test_a_waveform_that_cannot_be_read_is_an_error_that_names_its_file(with_bad):
    with pytest.raises(RecordingError, match=r"(bad|gone)\.wav"):
        read_waveforms(with_bad, SPEC)
