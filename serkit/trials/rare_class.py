"""One class made rare on purpose, and all that a GAN of it is measured by."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from serkit.audio.masking import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.classifiers.compact import compact
from serkit.classifiers.fitting import FitSettings, fit_classifier
from serkit.corpora.audit import audit
from serkit.corpora.corpus import Corpus
from serkit.corpora.protocols import hold_out
from serkit.corpora.splitting.thinning import make_rare
from serkit.data.spectrograms import compute_spectrograms
from serkit.errors import check_choice
from serkit.evaluation.fidelity import fidelity
from serkit.evaluation.references import reference_sets
from serkit.judging.judge import Judge
from serkit.seeds import derive_seed
from serkit.trials.parts import Parts

LABEL_SET = "gender_emotion"


@dataclass(frozen=True)
class RareClassSettings:
    """Which class is made rare, and what judges it.

    Attributes:
        label: the class, of the label set ``gender_emotion``.
        clips: training clips of it that are left; 0 leaves all.
        judged: samples that are generated to be judged.
        seed: of the split, of which clips are left, and of the judge's classifier.
        spec: spectrograms.
        fit: training of the judge's classifier.
    """

    label: str
    clips: int = 40
    judged: int = 320
    seed: int = 0
    spec: SpectrogramSpec = field(default_factory=SpectrogramSpec)
    fit: FitSettings = field(default_factory=FitSettings)


class RareClass:
    """Recordings of which one class has few training clips, and a judge that saw training clips.

    Args:
        roots: folders of recordings.
        settings: see :class:`RareClassSettings`.
        folder: gets the split, the spectrograms and the judge; made again, it is read from there.

    Attributes:
        parts: the clips, their split, thinned, and their spectrograms.
        real: the training clips of the class.
        training: the whole training part, with labels.
        held_out: spectrograms ``(n, frames, bins, 1)`` of the class by validation and test
            speakers: what samples are measured against, and nothing is chosen by.
        judge: its classifier and embedding have seen the training part alone.

    Raises:
        InputError: if there are no such clips.
    """

    def __init__(self, roots: Sequence[Path], settings: RareClassSettings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        corpus = audit(roots).corpus
        spectrograms = compute_spectrograms(corpus, settings.spec, cache=folder / "spectrograms")
        split = hold_out(corpus, LABEL_SET, settings.seed)
        if settings.clips:
            split = make_rare(split, LABEL_SET, settings.label, settings.clips, settings.seed)
        split.write(folder / "split.json")
        self.parts = Parts(corpus, split, spectrograms, LABEL_SET)
        check_choice("label", settings.label, self.parts.classes)
        self.real = self.parts.to_fit(self.parts.rare(settings.label))
        self.training = self.parts.to_fit(split.train)
        held_out = [*split.validation.clips, *split.test.clips]
        mine = [clip for clip in held_out if clip.label(LABEL_SET) == settings.label]
        self.held_out = self.parts.of(Corpus(tuple(mine), corpus.roots))
        self.judge = self._judge()

    def fidelity(self, generated: Mapping[str, np.ndarray]) -> list[dict]:
        """A row of :class:`serkit.evaluation.fidelity.Fidelity` for each set, and the references.

        Args:
            generated: spectrograms ``(n, frames, bins, 1)`` of each set, as many as are held out
                or more.

        Returns:
            Rows as dictionaries with ``set``, and ``copies`` and ``refused``, the shares that the
            judge rejects. First the real training clips and the references, then ``generated``.
        """
        settings, real = self.settings, self.real.spectrograms
        per_draw = min(len(self.held_out), len(real))
        references = reference_sets(real, settings.judged, settings.seed)
        held_out, seen = self.judge.embedding(self.held_out), self.judge.embedding(real)
        rows = []
        for name, pictures in {"real": real, **references, **generated}.items():
            training = None if pictures is real else seen
            found = fidelity(held_out, self.judge.embedding(pictures), training, per_draw=per_draw)
            verdicts = self.judge.verdicts(pictures, settings.label)
            shares = {"copies": verdicts.copies.mean(), "refused": verdicts.refused.mean()}
            rows.append({"set": name, **asdict(found), **shares})
        return rows

    def _judge(self) -> Judge:
        settings, folder = self.settings, self.folder / "judge"
        split, classes = self.parts.split, self.parts.classes
        if not (folder / "judge.npz").exists():
            seed = derive_seed(settings.seed, "judge")
            model = compact(len(classes), settings.spec.shape, None, seed)
            fit_classifier(
                model,
                self.training,
                self.parts.examples(split.validation),
                split.speakers,
                settings.fit,
                seed,
                folder,
                augment=functools.partial(mask, settings=MaskSettings()),
                verbose=2,
            )
            voices = [clip.speaker for clip in split.train.clips]
            Judge.fit(model, self.training, voices, classes, split.speakers).save(folder)
        return Judge.load(folder)
