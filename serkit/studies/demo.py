"""The stages of the demo, each done once per run folder."""

import functools
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from serkit.audio.spec_augment import mask
from serkit.augmentation.sample_filter import SampleFilter
from serkit.datasets.audit import open_recordings
from serkit.datasets.corpus import Corpus
from serkit.datasets.protocols import make_splits
from serkit.datasets.splits import Split
from serkit.datasets.synthetic import write_synthetic_corpus
from serkit.errors import ResumeError
from serkit.files import read_json, replacing, write_json
from serkit.formatting import counted
from serkit.models.compact import compact
from serkit.models.fitting import fit_classifier
from serkit.progress import Progress
from serkit.reporting.verdicts import LEAKY, measured_on
from serkit.seeds import derive_seed
from serkit.studies.demo_generation import generate
from serkit.studies.demo_page import Story, write_story
from serkit.studies.demo_settings import ARMS, MEASURES, DemoSettings, compare_arms, rows_of_test
from serkit.studies.deployment import Deliverable, deliver, try_out
from serkit.studies.finished_demo import classifier_file, known_of
from serkit.studies.parts import Parts
from serkit.studies.run_folder import Run
from serkit.training.shards import Rows
from serkit.training.spectrograms import compute_spectrograms


def run_demo(settings: DemoSettings, out: Path, models: Path, cache: Path | None = None) -> None:
    """Run or resume the demo: audit, split, spectrograms, GANs, two classifiers, report, export.

    See the README.

    Args:
        settings: settings of the demo.
        out: run folder. If a call is killed, a second call with the same settings resumes it.
        models: gets the exported model as ``<name of out>/<version>``.
        cache: folder of spectrograms, which runs may share; default: in the run folder.

    Raises:
        SerkitError: for recordings or settings that do not work; the message says why.
    """
    with Run(out, settings.to_json()) as run_folder:
        Demo(settings, run_folder, models, cache).run()


class Demo:
    """One run of the demo: its stages and their common state."""

    def __init__(
        self, settings: DemoSettings, run_folder: Run, models: Path, cache: Path | None = None
    ) -> None:
        self.settings = settings
        self.run_folder = run_folder
        self.cache = cache or run_folder.folder / "spectrograms"
        self.models = models.resolve() / run_folder.folder.resolve().name
        # Created now, so that a folder that cannot be written fails before the training runs.
        self.models.mkdir(parents=True, exist_ok=True)
        self.progress = Progress()
        # Otherwise the same convolution may add its terms in another order each time.
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(derive_seed(settings.seed, "global"))

    @property
    def out(self) -> Path:
        return self.run_folder.folder

    def run(self) -> None:
        stage = self.progress.stage
        with stage("1/8 audit: what is in the recordings"):
            corpus = self.audit()
        with stage(f"2/8 split: {self.settings.protocol}"):
            split = self.split(corpus)
        with stage("3/8 spectrograms"):
            spectrograms = self.spectrograms(corpus)
        parts = Parts(corpus, split, spectrograms, self.settings.label_set)
        with stage("4/8 a classifier on real clips alone, which will also judge what is generated"):
            sample_filter = self.sample_filter(parts)
        with stage("5/8 a DCGAN for each rare class, on training clips only"):
            generated = generate(
                self.settings, parts, sample_filter, self.run_folder, self.progress
            )
        with stage("6/8 the same classifier with the generated spectrograms"):
            metrics = self.compare(parts, generated)
        with stage("7/8 report"):
            report = self.report(parts, generated, metrics)
        with stage("8/8 export, and a prediction with the exported model"):
            model = self.export(parts, metrics)
        self.progress.say(f"\nreport: {report}\nmodel:  {model}")

    def audit(self) -> Corpus:
        # The audit is repeated until the spectrograms are done. If a run stops before that, the
        # recordings are most often the cause, and the user then corrects them.
        if not self.run_folder.is_done("spectrograms"):
            roots = self.settings.roots
            if not roots:
                roots = (str(self.out / "built-in"),)
                write_synthetic_corpus(
                    roots[0], self.settings.synthetic, track=self.progress.track("speaking")
                )
            found = open_recordings(
                roots, self.progress.track("reading"), naming=self.settings.naming
            )
            found.write(self.out)
        corpus = Corpus.read(self.out / "manifest.csv")
        self.progress.counts(counted(len(corpus), "clip"), corpus.counts(self.settings.label_set))
        rejected = self.out / "rejected.csv"
        files = pd.read_csv(rejected)["files"].sum()
        self.progress.say(
            f"   {counted(len(corpus.speakers()), 'speaker')}; files rejected: {files} "
            f"(reasons in {rejected})"
        )
        return corpus

    def split(self, corpus: Corpus) -> Split:
        settings = self.settings
        (split,) = make_splits(settings.protocol, corpus, settings.label_set, settings.seed)
        path = self.out / "split.json"
        if not self.run_folder.is_done("spectrograms"):
            split.write(path)
        elif read_json(path) != split.summary():
            # Another version of serkit or NumPy may draw another split. The models that are fitted
            # by now have seen the old training partition, which may hold the new test speakers.
            raise ResumeError(f"{path} is not the split that is drawn now; choose another --out")
        rows = [(name, len(p.speakers()), len(p)) for name, p in split.parts().items()]
        self.progress.table("", ["part", "speakers", "clips"], rows)
        if split.leaky:
            self.progress.say(f"   {LEAKY}")
        return split

    def spectrograms(self, corpus: Corpus) -> Rows:
        track = self.progress.track("computing")
        found = compute_spectrograms(corpus, self.settings.spec, cache=self.cache, track=track)
        self.run_folder.stage("spectrograms", lambda: {"clips": len(found)})
        return found

    def sample_filter(self, parts: Parts) -> SampleFilter:
        self._train_classifier(parts, "original", {})

        def work() -> dict:
            train = parts.split.train
            model = keras.models.load_model(self._classifier_file("original"))
            voices = [clip.speaker for clip in train.clips]
            real, speakers = parts.to_fit(train), parts.split.speakers
            SampleFilter.fit(model, real, voices, parts.classes, speakers).save(self.out / "judge")
            return {}

        self.run_folder.stage("judge", work)
        return SampleFilter.load(self.out / "judge")

    def compare(self, parts: Parts, generated: dict[str, np.ndarray]) -> dict:
        def work() -> dict:
            models = {arm: keras.models.load_model(self._classifier_file(arm)) for arm in ARMS}
            added = {label: len(made) for label, made in generated.items()}
            write_json(
                self.out / "metrics.json", compare_arms(models, parts, added, self.settings.seed)
            )
            return {}

        self._train_classifier(parts, "augmented", generated)
        self.run_folder.stage("metrics", work)
        metrics = read_json(self.out / "metrics.json")
        title = f"{measured_on(metrics)}, per cent"
        self.progress.table(title, ["arm", *MEASURES.values()], rows_of_test(metrics))
        return metrics

    def _train_classifier(self, parts: Parts, arm: str, added: dict[str, np.ndarray]) -> None:
        self.run_folder.stage(f"classifier-{arm}", lambda: self._classify(parts, arm, added))

    def _classify(self, parts: Parts, arm: str, added: dict[str, np.ndarray]) -> dict:
        settings = self.settings
        self.progress.say(f"   {arm}: {sum(map(len, added.values()))} generated spectrograms added")
        # The same initial weights and order of batches for both arms.
        seed = derive_seed(settings.seed, "classifier")
        model = compact(len(parts.classes), settings.spec.shape, settings.compact, seed)
        fit_classifier(
            model,
            parts.training(added),
            parts.examples(parts.split.validation),
            parts.split.speakers,
            settings.fit,
            seed,
            self.out / "classifiers" / arm,
            augment=functools.partial(mask, settings=settings.masks),
            verbose=self.progress.verbose,
        )
        with replacing(self._classifier_file(arm)) as partial:
            model.save(partial)
        return {}

    def _classifier_file(self, arm: str) -> Path:
        return classifier_file(self.out, arm)

    def report(self, parts: Parts, generated: dict[str, np.ndarray], metrics: dict) -> Path:
        path = self.out / "report.html"
        # The export comes later and is left out, so that a rewritten report page is the same.
        seconds = {n: s for n, s in self.run_folder.seconds().items() if n != "export"}
        write_story(path, Story(self.settings, parts, generated, metrics, self.out, seconds))
        return path

    def export(self, parts: Parts, metrics: dict) -> str:
        def work() -> dict:
            arm = metrics["better"]
            known = known_of(self.settings, metrics, arm, self.models.name)
            files, settings = [self._classifier_file(arm)], self.settings
            given = Deliverable(files, settings.spec, parts, known, settings.seed)
            return {"model": str(deliver(given, self.models))}

        model = self.run_folder.stage("export", work)["model"]
        if not Path(model).is_dir() or Path(model).parent != self.models:
            self.run_folder.forget("export")
            model = self.run_folder.stage("export", work)["model"]
        clip = parts.split.test.clips[0]
        file = parts.corpus.file(clip)
        self.progress.say(
            f"   the arm that was better on the validation part: {metrics['better']}\n"
            f"   serkit predict {model} {file}\n"
            f"   (a test recording, labelled {clip.label(self.settings.label_set)})"
        )
        try_out(model, file)
        return model
