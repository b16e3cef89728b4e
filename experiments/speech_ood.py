"""Claim: the distance of an encoder's features tells other sounds from emotional speech.

    python experiments/speech_ood.py ../shared/data/ravdess --seeds 0 \\
        --ood-corpora SYNTHETIC/SAVEE SYNTHETIC/TESS
    python experiments/speech_ood.py ROOT... --weights FILE        # without other corpora

For each fold of speakers the test clips and sounds of other kinds are scored by the mean square of
the standardised features (:class:`serkit.uncertainty.ood.TrainingDistance`), which models of
`serkit train` abstain by, and by the entropy of the linear classifier. The table has the AUROC of
each score and the fraction of each kind above the distance's threshold. SYNTHETIC is the built-in
corpus: serkit.write_synthetic_corpus("SYNTHETIC").

Source: Lee et al. (2018), arXiv:1807.03888. docs/uncertainty.md has the result.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from serkit.cli.running import run_experiment

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.formatting import markdown_table
from serkit.metrics.calibration import softmax, uncertainty
from serkit.models.linear_head import fit_linear_head
from serkit.models.speech_features import SpeechFeatures
from serkit.models.whisper_weights import PRESETS, whisper_from_preset
from serkit.studies.cross_validation import FoldRun
from serkit.studies.ood_sounds import all_ood_sounds
from serkit.uncertainty.ood import TrainingDistance

SCORES, SPEECH = "scores.csv", "unseen speakers"


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/speech-ood", spectrograms=False)
    parser.add_argument("--classifier", dest="model", choices=PRESETS, default="whisper-tiny.en")
    parser.add_argument("--weights", help="file of the weights; default: find or download them")
    parser.add_argument(
        "--ood-corpora", type=Path, nargs="*", default=[], help="folders of other recordings"
    )
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    features = SpeechFeatures(whisper_from_preset(options.model, options.weights))
    with cross_validation(options, features, results=SCORES, report=report) as folds:
        for fold in folds:
            fold.write_table(scores(fold, features, options.ood_corpora, folds.folder), SCORES)


def scores(
    fold: FoldRun, features: SpeechFeatures, corpora: Sequence[Path], cache: Path
) -> pd.DataFrame:
    """Return the scores of test clips and other sounds, with the threshold of the distance."""
    partitions = fold.partitions.split_by(fold.partitions.split.without_validation())
    split = partitions.split
    head = fit_linear_head(partitions.to_fit(split.train), split.speakers, len(partitions.classes))
    speakers = [clip.speaker for clip in split.train.clips]
    distance = TrainingDistance.fit(partitions.spectrograms(split.train), speakers)
    inputs = {SPEECH: partitions.spectrograms(split.test)}
    inputs |= all_ood_sounds(fold, features, corpora, cache)
    tables = []
    for kind, rows in inputs.items():
        probabilities = softmax(head.predict(rows, verbose=0))
        table = pd.DataFrame({"kind": kind, "distance": distance.ood_score(rows)})
        entropy = uncertainty(probabilities[np.newaxis]).total
        tables.append(table.assign(entropy=entropy, threshold=distance.threshold))
    return pd.concat(tables)


def report(table: pd.DataFrame, classes: Sequence[str]) -> str:
    """Return a row for each kind: mean AUROC over folds, and the fraction above the threshold."""
    rows = []
    for kind in table["kind"].unique():
        is_above = table["distance"] > table["threshold"]
        cells = [f"{100 * is_above[table['kind'] == kind].mean():.1f} %"]
        for score in ("distance", "entropy"):
            if kind == SPEECH:
                cells.append("")
                continue
            values = [
                roc_auc_score(of_fold["kind"] == kind, of_fold[score])
                for _, of_fold in table[table["kind"].isin([SPEECH, kind])].groupby(
                    ["seed", "fold"]
                )
            ]
            cells.append(f"{np.mean(values):.3f}")
        rows.append([kind, *cells])
    header = ["sound", "above the threshold", "AUROC, distance", "AUROC, entropy"]
    return markdown_table(header, rows)


if __name__ == "__main__":
    run_experiment(main, parse())
