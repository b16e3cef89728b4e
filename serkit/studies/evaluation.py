"""Evaluate an exported or served model on labelled recordings."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from serkit.datasets.audit import open_recordings
from serkit.datasets.corpus import LABEL_SETS, Corpus
from serkit.datasets.custom import Naming
from serkit.errors import DamagedFileError, InputError, LeakError, RecordingError
from serkit.export.versions import DETAILS_FILE
from serkit.files import require_no_other_results
from serkit.formatting import counted
from serkit.metrics.calibration import (
    adaptive_calibration_error,
    brier,
    negative_log_likelihood,
    reliability,
)
from serkit.metrics.intervals import Group, breakdown
from serkit.progress import Progress
from serkit.serialization import plain
from serkit.serving.client import Client, connect
from serkit.serving.local import ExportedModel
from serkit.serving.prediction import Prediction
from serkit.serving.retries import ClientSettings
from serkit.serving.transport import is_address
from serkit.studies.corruptions import corrupt
from serkit.studies.deployment import DIGEST_LENGTH, speaker_digest
from serkit.studies.evaluation_report import write_evaluation
from serkit.studies.partitions import CLIP_COLUMNS

_BATCH_SIZE = 64
_PREDICTION_COLUMNS = ("entropy", "mutual_information", "abstain", "problem", "note")


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of :func:`evaluate`.

    Attributes:
        roots: folders of recordings, CSV files, or manifests of an audit.
        corruptions: pairs of a name and a value, see
            :func:`serkit.studies.corruptions.parse_corruptions`; applied to every recording.
        allow_leaks: whether recordings and speakers of the model's training set may be in the
            recordings. Results are then marked as leaky.
        naming: naming scheme of the user's own recordings.
        seed: seed of the corruptions and of the bootstrap.
        token: token of the server, if the model is a served one that asks for a token.
        trust: as for :func:`serkit.load_model`.

    Raises:
        InputError: if there are no roots.

    Example:
        >>> import serkit
        >>> serkit.EvaluationSettings(roots=("recordings",)).allow_leaks
        False
    """

    roots: tuple[str, ...]
    corruptions: tuple[tuple[str, float], ...] = ()
    allow_leaks: bool = False
    naming: Naming = field(default_factory=Naming, hash=False)
    seed: int = 0
    token: str = field(default="", repr=False)
    trust: bool = False

    def __post_init__(self) -> None:
        if not self.roots:
            raise InputError("`roots` must be one or more folders or files. Received: none.")


def evaluate(
    model: Path | str,
    settings: EvaluationSettings,
    out: Path | str | None = None,
    progress: Progress | None = None,
    *,
    command: str = "",
) -> dict[str, Any]:
    """Evaluate a model on labelled recordings.

    Clips whose label the model does not know are left out and counted.

    Args:
        model: folder of an exported model, or address of a served one, see
            :func:`serkit.connect`. A server does not tell its model's training set, so that leaks
            are then not looked for.
        settings: the recordings.
        out: folder that gets ``evaluation.json``, ``predictions.csv`` and ``report.html``; None
            writes nothing.
        progress: reports progress to the user.
        command: the command that the report page names as the one to repeat; default: none.

    Returns:
        JSON values; fractions, with 95 % confidence intervals over speakers where there are enough
        of them:

        - ``uar``, ``accuracy``, ``macro_f1``: ``{"value": …, "low": …, "high": …}``;
          ``recalls``: the same by class.
        - ``groups``: the same by corpus and gender (:class:`serkit.metrics.intervals.Group`);
          ``confusion``: a row per true class.
        - ``calibration``: ``ece``, ``adaptive_ece``, ``nll``, ``brier``; ``abstention``:
          ``coverage``, and ``accuracy`` of the clips without abstention (None if there are none).
        - ``clips``, ``speakers``; ``left_out``: number of clips by label that the model does not
          know; ``problems``: number of recordings that it could not use; ``leaky``: whether clips
          or speakers of the training set are among them, None if this is not known.

    Raises:
        LeakError: if recordings or speakers of the training set are among the recordings.
        InputError: if the model knows none of the labels, or ``out`` is the folder of another
            command's run.
        SerkitError: for recordings or a model that do not work; the message says why.

    Example:
        .. code-block:: python

            settings = serkit.EvaluationSettings(roots=("crema-d",))
            results = serkit.evaluate("saved_models/mine", settings)
            print(results["uar"])
    """
    progress = progress or Progress()
    if out is not None:
        require_no_other_results(out, "evaluation.json")
    with _opened(model, settings) as opened:
        classes = tuple(opened.classes)
        with progress.stage("recordings"):
            audited = open_recordings(
                settings.roots, progress.progress_bar("reading"), naming=settings.naming
            )
            label_set = _label_set(audited.corpus, classes)
            corpus, left_out = _known(audited.corpus, label_set, classes)
            leaky = _find_leaks(opened, corpus, settings.allow_leaks)
        with progress.stage("predictions"):
            predictions = list(_predict(opened, corpus, settings, progress))
    table = _table(corpus, label_set, classes, predictions)
    usable = table[table["problem"] == ""]
    if usable.empty:
        raise InputError(
            f"`roots` must have recordings that the model can use. Received: {len(table)} others, "
            f"the first {table['path'][0]}: {table['problem'][0]}."
        )
    groups = _groups(usable, classes, settings.seed)
    results = {
        "model": str(model) if is_address(str(model)) else Path(model).resolve().name,
        "classes": list(classes),
        "clips": len(usable),
        "speakers": int(usable["speaker"].nunique()),
        "left_out": left_out,
        "problems": len(table) - len(usable),
        "leaky": leaky,
        "corruptions": [list(pair) for pair in settings.corruptions],
        **_scores(groups[0], classes),
        "groups": [plain(group.to_json()) for group in groups[1:]],
        **_probability_scores(usable, classes),
    }
    if out is not None:
        folder = opened.path if isinstance(opened, ExportedModel) else None
        write_evaluation(Path(out), results, table, groups, corpus.roots, folder, command)
    return results


Model = ExportedModel | Client


@contextmanager
def _opened(model: Path | str, settings: EvaluationSettings) -> Iterator[Model]:
    if is_address(str(model)):
        with connect(str(model), ClientSettings(token=settings.token)) as client:
            yield client
    else:
        yield ExportedModel(model, trust=settings.trust)


def _label_set(corpus: Corpus, classes: Sequence[str]) -> str:
    """Return the label set in which most clips have one of a model's classes."""

    def matches(name: str) -> tuple[int, int]:
        clips = sum(getattr(clip, name) in classes for clip in corpus.clips)
        # Without any such clip, the names of the classes decide what the error is about.
        return clips, len({*classes} & {*LABEL_SETS[name]})

    return max(LABEL_SETS, key=matches)


def _known(corpus: Corpus, label_set: str, classes: Sequence[str]) -> tuple[Corpus, dict[str, int]]:
    """Return the clips whose label the model knows, and the number of the others by label."""
    known = corpus.where(lambda clip: clip.label(label_set) in classes)
    counts = Counter(corpus.labels(label_set))
    left_out = {label: count for label, count in sorted(counts.items()) if label not in classes}
    if not len(known):
        raise InputError(
            f"`roots` must have labels that the model knows: {', '.join(classes)}. Received: "
            f"{', '.join(left_out)}; map them with --label-names."
        )
    return known, left_out


def _find_leaks(model: Model, corpus: Corpus, allowed: bool) -> bool | None:
    """Return whether the training set has some of the recordings or speakers; None: not known.

    Raises:
        LeakError: if it has, and leaks are not allowed.
    """
    if not isinstance(model, ExportedModel):
        return None
    try:
        digests = model.details.get("data", {}).get("digests")
        if digests is None:
            return None
        recordings, speakers = set(digests["recordings"]), set(digests["speakers"])
    except (AttributeError, KeyError, TypeError) as error:
        file = model.path / DETAILS_FILE
        raise DamagedFileError(file, f"no `data`: {error!r}", "export the model again") from error
    known = sum(clip.sha256[:DIGEST_LENGTH] in recordings for clip in corpus.clips)
    known_speakers = sorted(s for s in corpus.speakers() if speaker_digest(s) in speakers)
    if (known or known_speakers) and not allowed:
        found = [counted(known, "clip")] if known else []
        if known_speakers:
            names = ", ".join([*known_speakers[:5], *(["…"] if len(known_speakers) > 5 else [])])
            found.append(f"{counted(len(known_speakers), 'speaker')} ({names})")
        raise LeakError(
            f"the model was trained on {' and '.join(found)} of these recordings; "
            "evaluate it on others, or pass --allow-leaks, which marks the results"
        )
    return bool(known or known_speakers)


def _predict(
    model: Model, corpus: Corpus, settings: EvaluationSettings, progress: Progress
) -> Iterator[Prediction]:
    """Yield a prediction per clip, in order."""
    files = corpus.files()
    starts = range(0, len(files), _BATCH_SIZE)
    for start in progress.progress_bar("predicting")(starts, len(starts)):
        batch = files[start : start + _BATCH_SIZE]
        if settings.corruptions:
            yield from _predict_corrupted(model, batch, settings)
        else:
            yield from model.predict(batch)


def _predict_corrupted(
    model: Model, files: Sequence[str], settings: EvaluationSettings
) -> Iterator[Prediction]:
    contents, problems = [], {}
    for position, file in enumerate(files):
        try:
            content = corrupt(Path(file).read_bytes(), settings.corruptions, settings.seed)
        except (OSError, RecordingError) as error:
            content, problems[position] = b"", str(error)
        contents.append(content)
    for position, prediction in enumerate(model.predict_wav(contents)):
        if position in problems:
            prediction = Prediction.failed(files[position], problems[position])
        yield replace(prediction, file=files[position])


def _table(
    corpus: Corpus, label_set: str, classes: Sequence[str], predictions: Sequence[Prediction]
) -> pd.DataFrame:
    """Return a row per clip: its attributes, label and prediction."""
    columns = {name: [getattr(clip, name) for clip in corpus.clips] for name in CLIP_COLUMNS}
    columns["truth"] = corpus.labels(label_set)
    for name, column in (("label", "predicted"), *((n, n) for n in _PREDICTION_COLUMNS)):
        columns[column] = [getattr(prediction, name) for prediction in predictions]
    for label in classes:
        columns[f"p_{label}"] = [p.probabilities.get(label, np.nan) for p in predictions]
    return pd.DataFrame(columns)


def _groups(usable: pd.DataFrame, classes: Sequence[str], seed: int) -> list[Group]:
    truth, predicted = (
        usable[column].map(list(classes).index).to_numpy() for column in ("truth", "predicted")
    )
    attributes = {
        name: usable[name].tolist() for name in ("corpus", "gender") if usable[name].nunique() > 1
    }
    return breakdown(
        truth, predicted, usable["speaker"].tolist(), len(classes), attributes, seed=seed
    )


def _scores(group: Group, classes: Sequence[str]) -> dict[str, Any]:
    measures = plain(group.to_json())["measures"]
    return {
        **{name: measures[name] for name in ("uar", "accuracy", "macro_f1")},
        "recalls": dict(zip(classes, measures["recalls"], strict=True)),
        "confusion": [list(row) for row in group.confusion],
    }


def _probability_scores(usable: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    truth = usable["truth"].map(list(classes).index).to_numpy()
    probabilities = usable[[f"p_{label}" for label in classes]].to_numpy()
    is_correct = (usable["truth"] == usable["predicted"]).to_numpy()
    is_covered = ~usable["abstain"].to_numpy(bool)
    reliable = reliability(probabilities, truth)
    return {
        "calibration": {
            "ece": float(reliable.ece),
            "adaptive_ece": float(adaptive_calibration_error(probabilities, truth)),
            "nll": float(negative_log_likelihood(probabilities, truth)),
            "brier": float(brier(probabilities, truth)),
            "reliability": plain(asdict(reliable)),
        },
        "abstention": {
            "coverage": float(is_covered.mean()),
            "accuracy": float(is_correct[is_covered].mean()) if is_covered.any() else None,
        },
    }
