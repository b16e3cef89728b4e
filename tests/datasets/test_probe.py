import numpy as np
import pytest
import soundfile

from serkit.audio import containers
from serkit.datasets import probing as module
from serkit.datasets.findings import UnusableError
from serkit.datasets.probing import probe, read_waveform

RATE = 16_000


@pytest.fixture
def write(tmp_path, wav_bytes):
    """Write samples as a WAV file and return its path."""
    made = []

    def make(samples, rate=RATE, subtype="PCM_16", **options):
        path = tmp_path / f"{len(made)}.wav"
        path.write_bytes(wav_bytes(np.asarray(samples), rate, subtype, **options))
        made.append(path)
        return path

    return make


def _kind(path) -> str:
    with pytest.raises(UnusableError) as caught:
        probe(path)
    return caught.value.kind


def test_measured_values_are_right(write):
    tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(2 * 8000 + 77) / 8000)
    found = probe(write(np.stack([tone, -tone], axis=1), 8000, "PCM_24"))
    assert (found.sample_rate, found.channels) == (8000, 2)
    assert found.duration == pytest.approx(2 + 77 / 8000, abs=1e-6)
    assert found.peak == pytest.approx(0.5, abs=1e-6)
    assert found.rms == pytest.approx(np.sqrt(np.mean(tone**2)), abs=2e-6)
    assert (found.clipped, found.length_unknown) == (0, False)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2])
def test_read_in_blocks_it_is_the_same(write, noise, monkeypatch, subtype, channels):
    path = write(noise(0.7, channels=channels), subtype=subtype)
    whole = probe(path)
    monkeypatch.setattr(module, "_BLOCK", 800 * 3)
    assert probe(path) == whole


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_waveforms_are_the_mean_of_channels_in_blocks_or_not(write, noise, monkeypatch, subtype):
    samples = noise(0.7, channels=2)
    path = write(samples, 8_000, subtype)
    waveform, rate = read_waveform(path)
    assert rate == 8_000
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(
        waveform, samples.mean(axis=1), atol=1 / (100 if subtype == "PCM_U8" else 20_000)
    )
    monkeypatch.setattr(containers, "_BLOCK", 1_000)
    np.testing.assert_array_equal(read_waveform(path)[0], waveform)


def test_waveforms_of_truncated_files_are_refused(write, noise):
    path = write(noise())
    path.write_bytes(path.read_bytes()[:9_000])
    with pytest.raises(UnusableError) as caught:
        read_waveform(path)
    assert caught.value.kind == "truncated"


def test_the_digest_is_of_samples_whatever_holds_them(write, noise):
    samples = (noise() * 32768).round() / 32768
    files = [write(samples, subtype=s) for s in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")]
    padded = write(samples)
    padded.write_bytes(padded.read_bytes() + b"LIST\x04\x00\x00\x00abcd")
    assert len({probe(path).sha256 for path in (*files, padded)}) == 1


def test_other_samples_rate_or_channels_give_another_digest(write, noise):
    samples = noise()
    changed = samples.copy()
    changed[100] += 1e-6
    digests = {
        probe(write(samples, subtype="FLOAT")).sha256,
        probe(write(changed, subtype="FLOAT")).sha256,
        probe(write(samples)).sha256,
        probe(write(samples, 2 * RATE)).sha256,
        probe(write(samples.reshape(-1, 2))).sha256,
    }
    assert len(digests) == 5


@pytest.mark.parametrize(
    ("subtype", "bound"), [("PCM_16", 1), ("PCM_U8", 1), ("FLOAT", 1), ("PCM_32", 1)]
)
def test_cut_off_peaks_are_counted(write, noise, subtype, bound):
    samples = noise()
    samples[100:105] = bound
    samples[200:203] = -bound
    samples[300:302] = bound
    samples[400] = -bound
    assert probe(write(samples, subtype=subtype)).clipped == 8


def test_a_loud_tone_that_is_not_cut_off_is_not_clipped(write):
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE + 0.3)
    assert probe(write(tone * 0.999)).clipped == 0


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE),
        np.full(RATE, 0.3),
        np.random.default_rng(0).integers(-1, 2, RATE) / 32768,
        np.r_[np.zeros(5000), 0.9, np.zeros(RATE - 5001)],
        np.full(2400, 2e-5),
    ],
    ids=["digital silence", "an offset", "dither", "a click", "short"],
)
def test_silence_is_no_sound_not_low_amplitude(write, samples):
    assert _kind(write(samples, subtype="FLOAT")) == "silent"


def test_quiet_speech_is_not_silence(write, noise):
    """The quietest RAVDESS recording has 0.0017 in its loudest 50 ms."""
    quiet = np.r_[np.zeros(RATE), noise(0.2) * 0.01, np.zeros(RATE)]
    assert probe(write(quiet)).peak < 0.01


def test_files_that_are_no_recording(write, noise, tmp_path):
    assert _kind(write(noise(0.09))) == "short"
    assert _kind(write(noise(), subtype="ULAW")) == "format"
    assert _kind(write(np.r_[noise(), np.nan], subtype="FLOAT")) == "not-finite"
    assert _kind(write(np.r_[noise(), np.inf], subtype="DOUBLE")) == "not-finite"
    assert _kind(tmp_path / "gone.wav") == "unreadable"
    (tmp_path / "text.wav").write_text("not audio")
    assert _kind(tmp_path / "text.wav") == "unreadable"


@pytest.mark.parametrize("kind", ["AIFF", "W64", "RF64", "AU", "CAF", "NIST"])
def test_other_formats_under_a_wav_name(write, noise, kind):
    with pytest.raises(
        UnusableError, match=f"Ogg Vorbis file but {kind}.*, whatever its name"
    ) as caught:
        probe(write(noise(), format=kind))
    assert caught.value.kind == "format"


def test_compressed_files_have_a_greatest_length_and_wav_files_have_none(write, noise, monkeypatch):
    monkeypatch.setattr(module, "MAX_COMPRESSED_SAMPLES", RATE - 1)
    assert _kind(write(noise(1), format="FLAC")) == "format"
    assert probe(write(noise(1))).duration == 1


def test_opus_is_not_decoded(write, noise):
    with pytest.raises(UnusableError, match="but Opus") as caught:
        probe(write(noise(), subtype="OPUS", format="OGG"))
    assert caught.value.kind == "format"


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2])
def test_flac_is_the_same_recording_as_wav_whatever_its_name(write, noise, subtype, channels):
    # libsndfile cuts what lies between two values off for WAV and rounds it for FLAC.
    samples = (noise(channels=channels) * 2**15).round() / 2**15
    wav, flac = write(samples, subtype=subtype), write(samples, subtype=subtype, format="FLAC")
    assert probe(flac) == probe(wav)


@pytest.mark.parametrize(("kind", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")])
def test_lossy_formats_have_nearly_the_numbers_of_the_original(write, kind, subtype):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    found = probe(write(tone, subtype=subtype, format=kind))
    assert (found.sample_rate, found.channels, found.duration) == (RATE, 1, 1.0)
    assert found.rms == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_half_of_a_compressed_file(write, noise):
    """FLAC breaks off within a frame; MP3's tag says how much there was; Ogg has a last page."""
    kinds = {}
    for kind, subtype in (("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")):
        path = write(noise(2.0), subtype=subtype, format=kind)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        kinds[kind] = _kind(path)
    assert kinds == {"FLAC": "unreadable", "MP3": "truncated", "OGG": "truncated"}


def test_numbers_that_are_no_samples(write, noise):
    """As a header gives them that says float where integers are."""
    assert probe(write(noise() * 30_000, subtype="FLOAT")).peak > 10_000
    for huge in (1e12, 3e38):
        assert _kind(write(np.r_[noise(), huge], subtype="FLOAT")) == "unreadable"


def test_half_a_file_is_truncated(write, noise):
    path = write(noise(1.0))
    path.write_bytes(path.read_bytes()[: 44 + RATE])
    with pytest.raises(UnusableError, match=r"says 1\.00 s, 0\.50 s are there") as caught:
        probe(path)
    assert caught.value.kind == "truncated"


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_header_without_a_length_is_read_to_the_end(write, noise, length):
    path = write(noise())
    data = bytearray(path.read_bytes())
    expected = probe(path)
    data[40:44] = length.to_bytes(4, "little")
    path.write_bytes(data)
    found = probe(path)
    assert found.length_unknown
    assert (found.sha256, found.duration) == (expected.sha256, expected.duration)


def test_a_header_that_announces_too_much_is_not_believed(write, noise, monkeypatch):
    """No read is larger than the file, whatever libsndfile makes of the header."""
    path = write(noise())

    class Huge(soundfile.SoundFile):
        frames = property(lambda self: 1 << 40)

    monkeypatch.setattr(module.soundfile, "SoundFile", Huge)
    with pytest.raises(UnusableError, match="header is damaged"):
        probe(path)


def test_cut_off_peaks_are_counted_in_each_channel(write, noise):
    samples = noise(channels=2)
    samples[100:110, 0] = 1.0
    samples[200:202, :] = 1.0
    assert probe(write(samples)).clipped == 10


@pytest.mark.parametrize("value", [126, 127])
def test_eight_bits_end_at_127(write, noise, value):
    samples = noise()
    samples[100:105] = value / 128
    assert probe(write(samples, subtype="PCM_U8")).clipped == (5 if value == 127 else 0)


@pytest.mark.parametrize("start", [0, 8000, RATE - 1600])
def test_a_tenth_of_a_second_of_sound_is_sound_wherever_it_is(write, noise, start):
    samples = np.zeros(RATE)
    samples[start : start + 1600] = noise(0.1)
    assert probe(write(samples)).rms > 0


def test_a_click_on_an_offset_is_silence(write):
    samples = np.full(RATE, 0.01)
    samples[5000] = 0.5
    assert _kind(write(samples, subtype="FLOAT")) == "silent"


@pytest.mark.parametrize("rate", [100, 2_000_000])
def test_rates_that_cannot_be_decoded_are_rejected(write, noise, rate):
    samples = np.resize(noise(), rate // 5)
    with pytest.raises(UnusableError, match=f"sample rate {rate} Hz; valid is from 1000 to"):
        probe(write(samples, rate))
