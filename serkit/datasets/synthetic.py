"""Write the built-in corpus: synthetic voices in the four corpora's layouts, names and rates.

The class imbalance is also that of the four corpora. Users can try everything without a download.
Results on the built-in corpus say nothing about real speech, and every report on it says so.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from serkit.datasets import cremad, ravdess, savee, tess
from serkit.datasets.corpus_info import mark_as_synthetic
from serkit.datasets.voice import SAMPLE_RATE, Manner, Voice, speak
from serkit.errors import check_choice, check_range
from serkit.files import replacing
from serkit.seeds import derive_seed

_TESS_WORDS = (
    *("back", "bar", "base", "bath", "bean", "beg", "bite", "boat", "bone", "book"),
    *("bought", "burn", "cab", "calm", "came", "cause", "chain", "chair", "chalk", "chat"),
    *("check", "cheek", "chief", "choice", "cool", "dab", "date", "dead", "death", "deep"),
    *("dime", "dip", "ditch", "dodge", "dog", "doll", "door", "fail", "fall", "far"),
)
_RATES = {"ravdess": 48_000, "tess": 24_414, "savee": 44_100, "crema-d": 16_000}
# Background noise of the recording rooms in dB of full scale.
_NOISE_DB = {"ravdess": -78.0, "tess": -70.0, "savee": -68.0, "crema-d": -58.0}

MANNERS = {
    "neutral": Manner(),
    "calm": Manner(pitch=-0.5, pitch_range=2.2, tempo=0.92, effort=-2.0, breathiness=0.08),
    "happy": Manner(pitch=3.5, pitch_range=6.0, rise=-1.0, tempo=1.08, effort=4.0),
    "angry": Manner(pitch=3.0, pitch_range=5.0, rise=-3.0, tempo=1.1, effort=9.0),
    "fear": Manner(pitch=5.0, pitch_range=2.5, rise=0.5, tempo=1.2, effort=1.0, tremor=0.5),
    "sad": Manner(pitch=-1.0, pitch_range=1.5, tempo=0.8, effort=-5.0, breathiness=0.25),
    "disgust": Manner(pitch=-2.0, pitch_range=3.5, rise=-4.0, tempo=0.82, effort=2.0),
    "surprise": Manner(pitch=5.5, pitch_range=8.0, rise=5.0, tempo=0.98, effort=3.0),
}
"""Manner of speaking for each emotion. Reviews of vocal expression agree on the direction of these
differences (Scherer 2003, Speech Communication 40)."""


@dataclass(frozen=True)
class SyntheticSettings:
    """Size and seed of the built-in corpus.

    Attributes:
        seed: the same seed gives the same bytes.
        size: number of clips as a fraction of the 12,162 clips of the four real corpora, from
            0.001 to 0.2. The default gives about 1,200. Each speaker has at least one clip per
            emotion.
        ravdess_speakers: from 2 to 24. Speakers with odd numbers are men.
        cremad_speakers: from 2 to 91.
        overlap: standard deviation of single takes around their emotion's manner, relative to the
            standard deviation between emotions, from 0 to 2.

    TESS always has two women and SAVEE four men, which makes 23 speakers by default.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> import serkit
        >>> serkit.SyntheticSettings(size=0.005).ravdess_speakers
        8
    """

    seed: int = 0
    size: float = 0.1
    ravdess_speakers: int = 8
    cremad_speakers: int = 9
    overlap: float = 0.45

    def __post_init__(self) -> None:
        check_range("size", self.size, 0.001, 0.2)
        check_range("ravdess_speakers", self.ravdess_speakers, 2, 24)
        check_range("cremad_speakers", self.cremad_speakers, 2, 91)
        check_range("overlap", self.overlap, 0.0, 2.0)


@dataclass(frozen=True)
class _Take:
    """A recording to synthesise; ``emotion`` is a key of :data:`MANNERS`."""

    path: str
    corpus: str
    speaker: str
    female: bool
    emotion: str
    strong: bool
    sentence: str


def write_synthetic_corpus(
    folder: Path | str,
    settings: SyntheticSettings | None = None,
    *,
    track: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
) -> int:
    """Write the built-in corpus as 16-bit WAV files and return the number of files.

    Existing files are not written again, so that a second call resumes an interrupted one.

    Args:
        folder: target of ``RAVDESS/Actor_01/…``, ``TESS/OAF_angry/…``, ``SAVEE/DC/…`` and
            ``CREMA-D/AudioWAV/…``, and of a file that marks the recordings as synthetic.
        settings: size and seed.
        track: wraps the iteration over the files, for a progress bar. Its arguments are the
            iterable and the number of files.

    Returns:
        The number of files of the corpus, also those that existed before.

    Example:
        >>> import tempfile, serkit
        >>> settings = serkit.SyntheticSettings(size=0.001, ravdess_speakers=2, cremad_speakers=2)
        >>> serkit.write_synthetic_corpus(tempfile.mkdtemp(), settings)
        70
    """
    settings = settings or SyntheticSettings()
    mark_as_synthetic(folder)
    takes = list(_plan(settings))
    # Most of the time is spent in NumPy's loops, in which other threads can run.
    parallel = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator_unordered")
    written = parallel(joblib.delayed(_write_take)(Path(folder), take, settings) for take in takes)
    for _ in track(written, len(takes)):
        pass
    return len(takes)


def _write_take(folder: Path, take: _Take, settings: SyntheticSettings) -> None:
    path = folder / take.path
    if path.exists():
        return
    # In memory first: libsndfile does not say that a disk is full.
    content = _wav_bytes(_synthesise_take(take, settings), _RATES[take.corpus])
    with replacing(path) as partial:
        partial.write_bytes(content)


def _wav_bytes(waveform: npt.NDArray[Any], rate: int) -> bytes:
    wav = io.BytesIO()
    soundfile.write(wav, waveform, rate, "PCM_16", format="WAV")
    return wav.getvalue()


def synthesise_clip(emotions: Sequence[str]) -> bytes:
    """Synthesise a voice that is not in the built-in corpus, with one utterance per emotion.

    Args:
        emotions: keys of :data:`MANNERS`, at least one; the utterances follow each other.

    Returns:
        A WAV file of 16 bits, one channel and 16 kHz; always the same for the same emotions.

    Raises:
        InputError: if an emotion is not in :data:`MANNERS`.

    Example:
        >>> synthesise_clip(["angry", "sad"])[:4]
        b'RIFF'
    """
    settings, waves = SyntheticSettings(), []
    for number, emotion in enumerate(emotions):
        check_choice("emotions", emotion, tuple(MANNERS))
        path = f"example/{emotion}/{number}.wav"
        take = _Take(path, "crema-d", "example", True, emotion, True, f"example {number}")
        waves.append(_synthesise_take(take, settings))
    return _wav_bytes(np.concatenate(waves), _RATES["crema-d"])


def _plan(settings: SyntheticSettings) -> Iterator[_Take]:
    def clips_per_speaker(real_clips: int, real_speakers: int, speakers: int) -> int:
        """Return the clips of an emotion per speaker, from those per speaker of a real corpus."""
        return max(1, round(real_clips * settings.size * real_speakers / speakers))

    yield from _plan_ravdess(settings.ravdess_speakers, clips_per_speaker)
    yield from _plan_tess(clips_per_speaker)
    yield from _plan_savee(clips_per_speaker)
    yield from _plan_cremad(settings.cremad_speakers, clips_per_speaker)


def _plan_ravdess(
    speakers: int, clips_per_speaker: Callable[[int, int, int], int]
) -> Iterator[_Take]:
    for actor in range(1, speakers + 1):
        for code, (_, ravdess_name) in ravdess.EMOTIONS.items():
            emotion = {"fearful": "fear", "surprised": "surprise"}.get(ravdess_name, ravdess_name)
            intensity_count = 1 if ravdess_name == "neutral" else 2
            max_takes = 4 * intensity_count
            for take_index in range(min(clips_per_speaker(max_takes, 24, speakers), max_takes)):
                sentence, strong = take_index % 2, take_index // 2 % intensity_count
                repetition = take_index // 2 // intensity_count + 1
                name = f"03-01-{code}-{strong + 1:02}-{sentence + 1:02}-{repetition:02}"
                yield _Take(
                    path=f"RAVDESS/Actor_{actor:02}/{name}-{actor:02}.wav",
                    corpus="ravdess",
                    speaker=f"{actor:02}",
                    female=actor % 2 == 0,
                    emotion=emotion,
                    strong=bool(strong),
                    sentence=str(sentence),
                )


def _plan_tess(clips_per_speaker: Callable[[int, int, int], int]) -> Iterator[_Take]:
    count = min(clips_per_speaker(200, 2, 2), len(_TESS_WORDS))
    for speaker in ("OAF", "YAF"):
        for code, emotion in tess.EMOTIONS.items():
            for word in _TESS_WORDS[:count]:
                path = f"TESS/{speaker}_{emotion}/{speaker}_{word}_{code}.wav"
                yield _Take(path, "tess", speaker, True, emotion, False, word)


def _plan_savee(clips_per_speaker: Callable[[int, int, int], int]) -> Iterator[_Take]:
    for speaker in savee.SPEAKERS:
        for code, emotion in savee.EMOTIONS.items():
            count = clips_per_speaker(30 if emotion == "neutral" else 15, 4, 4)
            for number in range(1, count + 1):
                path = f"SAVEE/{speaker}/{code}{number:02}.wav"
                yield _Take(path, "savee", speaker, False, emotion, False, f"{code}{number}")


def _plan_cremad(
    speakers: int, clips_per_speaker: Callable[[int, int, int], int]
) -> Iterator[_Take]:
    for actor in _cremad_actors(speakers):
        for code, emotion in cremad.EMOTIONS.items():
            count = min(clips_per_speaker(12 if emotion == "neutral" else 14, 91, speakers), 36)
            for take_index in range(count):
                sentence = cremad.SENTENCES[take_index % len(cremad.SENTENCES)]
                # As in CREMA-D, only some takes have an intensity. Here these are the second take
                # (LO) and the third take (HI) of a sentence.
                intensity = ("XX", "LO", "HI")[take_index // len(cremad.SENTENCES)]
                path = f"CREMA-D/AudioWAV/{actor}_{sentence}_{code}_{intensity}.wav"
                female = actor in cremad.FEMALE_ACTORS
                yield _Take(
                    path, "crema-d", str(actor), female, emotion, intensity == "HI", sentence
                )


def _cremad_actors(speakers: int) -> list[int]:
    """Return the first actors, alternating men and women as long as there are both."""
    women = [actor for actor in cremad.ACTORS if actor in cremad.FEMALE_ACTORS]
    men = [actor for actor in cremad.ACTORS if actor not in cremad.FEMALE_ACTORS]
    alternating = [actor for pair in zip(men, women, strict=False) for actor in pair]
    return sorted((alternating + men[len(women) :])[:speakers])


def _synthesise_take(take: _Take, settings: SyntheticSettings) -> npt.NDArray[Any]:
    """Synthesise a take with pauses and room noise, float32 ``(samples,)`` at its corpus' rate."""
    rng = np.random.default_rng(derive_seed(settings.seed, take.path))
    sentence_rng = np.random.default_rng(
        derive_seed(settings.seed, "sentence", take.corpus, take.sentence)
    )
    speech = speak(_voice(take, settings.seed), _manner(take, settings, rng), sentence_rng, rng)
    leading_samples = int(rng.uniform(0.25, 0.7) * SAMPLE_RATE)
    trailing_samples = int(rng.uniform(0.25, 0.7) * SAMPLE_RATE)
    wave = np.pad(speech, (leading_samples, trailing_samples))
    wave += _room_noise(wave.size, rng) * 10 ** (_NOISE_DB[take.corpus] / 20)
    rate = _RATES[take.corpus]
    if rate != SAMPLE_RATE:
        wave = soxr.resample(wave, SAMPLE_RATE, rate)
    return wave.clip(-1, 1).astype(np.float32)


def _room_noise(size: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Return noise of unit power that falls by 6 dB per octave above 100 Hz, as in quiet rooms."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum /= np.hypot(1.0, np.fft.rfftfreq(size, 1 / SAMPLE_RATE) / 100.0)
    noise = np.fft.irfft(spectrum, size)
    return noise / noise.std()


def _voice(take: _Take, seed: int) -> Voice:
    rng = np.random.default_rng(derive_seed(seed, "voice", take.corpus, take.speaker))
    return Voice(
        pitch=(205.0 if take.female else 118.0) * 2 ** (rng.normal(0, 2.0) / 12),
        tract=(1.16 if take.female else 1.0) * rng.normal(1, 0.05),
        breathiness=rng.uniform(0.03, 0.2),
        tempo=rng.normal(4.6, 0.4),
        tilt=rng.normal(2.0, 1.0),
    )


def _manner(take: _Take, settings: SyntheticSettings, rng: np.random.Generator) -> Manner:
    """Draw the manner of a take: the manner of its emotion, varied by speaker and by take."""
    neutral, target = MANNERS["neutral"], MANNERS[take.emotion]
    speaker_rng = np.random.default_rng(
        derive_seed(settings.seed, "habit", take.corpus, take.speaker, take.emotion)
    )
    strength = speaker_rng.uniform(0.55, 1.1) * (1.25 if take.strong else 1.0)
    deviation_by_attribute = {
        name: np.std([getattr(m, name) for m in MANNERS.values()]) for name in vars(target)
    }
    values = {}
    for name, deviation in deviation_by_attribute.items():
        value = getattr(neutral, name) + strength * (getattr(target, name) - getattr(neutral, name))
        random_part = speaker_rng.normal(0, 0.5 * settings.overlap)
        random_part += rng.normal(0, settings.overlap)
        values[name] = value + random_part * deviation
    values["tempo"] = max(values["tempo"], 0.6)
    values["pitch_range"] = max(values["pitch_range"], 0.3)
    values["tremor"] = max(values["tremor"], 0.0)
    return Manner(**values)
