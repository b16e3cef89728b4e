"""What single clips and speakers look odd by, once all are measured."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from serkit.corpora.auditing.probe import Probe
from serkit.corpora.corpus import Clip
from serkit.corpora.findings import Finding
from serkit.errors import InputError


def notice(clip: Clip, found: Probe) -> Iterator[Finding]:
    """What is odd about one clip, and no reason to do without it."""
    if found.clipped:
        share = found.clipped / (found.duration * found.sample_rate * found.channels)
        reason = f"{found.clipped} samples ({share:.2%}) are cut off at full scale"
        yield Finding(clip.root, clip.path, "clipped", reason)
    if found.channels > 1:
        reason = f"{found.channels} channels; they are mixed to one"
        yield Finding(clip.root, clip.path, "stereo", reason)
    if found.length_unknown:
        reason = "its header does not say how long it is; it was read to its end"
        yield Finding(clip.root, clip.path, "length", reason)


def require_own_speakers(clips: Sequence[Clip]) -> None:
    """Refuse two corpora that give one name to two people: ``a`` with ``b-1``, ``a-b`` with ``1``.

    Raises:
        InputError: names the speaker and the corpora.
    """
    corpus_of: dict[str, str] = {}
    for clip in clips:
        other = corpus_of.setdefault(clip.speaker, clip.corpus)
        if other != clip.corpus:
            raise InputError(
                f"{clip.speaker} would be a speaker of {other} and of {clip.corpus}; "
                "give one of them another name: NAME=ROOT"
            )


def odd_rates(clips: Sequence[Clip]) -> Iterator[Finding]:
    """Clips with another sample rate than most of their corpus."""
    rates: dict[str, Counter[int]] = defaultdict(Counter)
    for clip in clips:
        rates[clip.corpus][clip.sample_rate] += 1
    usual = {corpus: counted.most_common(1)[0][0] for corpus, counted in rates.items()}
    for clip in clips:
        if clip.sample_rate != usual[clip.corpus]:
            reason = f"{clip.sample_rate} Hz, most of {clip.corpus} has {usual[clip.corpus]} Hz"
            yield Finding(clip.root, clip.path, "sample-rate", reason)


def other_genders(clips: Sequence[Clip]) -> Iterator[Finding]:
    """Clips that contradict most of their speaker's; all of them, if there is no most."""
    genders: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.gender and clip.speaker_known:
            genders[clip.speaker][clip.gender] += 1
    for clip in clips:
        counted = genders[clip.speaker].most_common()
        if len(counted) > 1 and clip.gender:
            clear = counted[0][1] > counted[1][1]
            if not clear or clip.gender != counted[0][0]:
                shown = ", ".join(f"{gender} in {count}" for gender, count in counted)
                reason = f"{clip.speaker} is {shown} recordings"
                yield Finding(clip.root, clip.path, "gender", reason)
