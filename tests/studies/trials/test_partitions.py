import numpy as np
import pytest

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.corpus import Corpus
from serkit.datasets.protocols import hold_out
from serkit.errors import LeakError
from serkit.studies.partitions import Partitions, live_spectrograms
from serkit.training.batches import training_batches
from serkit.training.spectrograms import compute_spectrograms


def test_spectrograms_and_labels_are_in_the_order_of_the_clips(partitions):
    for part in partitions.split.partitions().values():
        numbers = [int(clip.path.removesuffix(".wav")) for clip in part.clips]
        assert partitions.spectrograms(part).ravel().tolist() == numbers
        assert partitions.labels(part).tolist() == [1 - n % 2 for n in numbers]
    assert partitions.classes == ("angry", "sad")


def test_some_clips_are_evenly_spaced(partitions):
    rare = partitions.spectrograms(partitions.training_clips("sad")).ravel().tolist()
    some = partitions.evenly_spaced("sad", 3).ravel().tolist()
    assert (some[0], some[-1], len(some)) == (rare[0], rare[-1], 3)
    assert partitions.evenly_spaced("sad", 999).ravel().tolist() == rare


def test_fitting_on_a_test_speaker_is_refused(partitions):
    assert (
        len(partitions.to_fit(partitions.training_clips("sad")))
        == len(partitions.training_clips("sad"))
        > 0
    )
    for part in (partitions.corpus, partitions.split.test, partitions.split.validation):
        with pytest.raises(LeakError, match="training speakers"):
            partitions.to_fit(part)


@pytest.mark.parametrize("trim", [0.0, 30.0])
@pytest.mark.usefixtures("deterministic")
def test_live_training_batches_have_the_bits_of_the_cache(synthetic_corpus, tmp_path, trim):
    """Claimed on CPUs: a GPU's sums are another's."""
    spec = SpectrogramSpec(trim_db=trim)
    corpus = Corpus(synthetic_corpus.clips[::12], synthetic_corpus.roots)
    kept = compute_spectrograms(corpus, spec, cache=tmp_path)
    live = live_spectrograms(corpus, kept, spec, WaveAugmentation())
    found, expected = (training_batches((each,), 8, 1).take(4) for each in (live, kept))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_examples_for_fitting_keep_their_waveforms(synthetic_corpus, tmp_path):
    spec = SpectrogramSpec(frames=8, bins=4)
    kept = compute_spectrograms(synthetic_corpus, spec, cache=tmp_path)
    live = live_spectrograms(synthetic_corpus, kept, spec, WaveAugmentation(shift=0.1))
    split = hold_out(synthetic_corpus, "emotion", 0)
    partitions = Partitions(synthetic_corpus, split, live, "emotion")
    found = partitions.to_fit(split.train).spectrograms
    clips = [synthetic_corpus.clips[row] for row in found.waveform_rows]
    assert clips == list(split.train.clips)
    np.testing.assert_array_equal(found[:], partitions.spectrograms(split.train))
