"""What ways to be unsure did, side by side, as figures."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from serkit.evaluation.calibration import reliability
from serkit.evaluation.selective import risk_coverage
from serkit.files import replacing
from serkit.reporting.comparison_figures import calibration
from serkit.reporting.page import png
from serkit.reporting.uncertainty_figures import risk_coverage_curves
from serkit.trials.uncertainty_measures import known_columns


def write_uncertainty_figures(
    answers: pd.DataFrame, classes: Sequence[str], folder: Path
) -> list[Path]:
    """Reliability diagrams and risk-coverage curves of each network and what is compared with it.

    Args:
        answers: of :meth:`serkit.trials.panel.Panel.keep`, of all folds and seeds.
        classes: names of all classes.
        folder: gets ``reliability-<network>.png`` and ``risk-coverage-<network>.png`` for each
            method that is its own twin.

    Returns:
        Their paths.
    """
    written = []
    for network in answers.loc[answers["twin"] == "", "method"].unique():
        rows = answers[(answers["method"] == network) | (answers["twin"] == network)]
        reliable, answered = {}, {}
        for method, own in rows.groupby("method", sort=False):
            chances, truth, unsure = known_columns(own, classes)
            reliable[method] = asdict(reliability(chances, truth))
            answered[method] = risk_coverage(unsure, chances.argmax(axis=1) == truth)
        figures = {"reliability": calibration(reliable)}
        figures["risk-coverage"] = risk_coverage_curves(answered)
        for kind, figure in figures.items():
            written.append(folder / f"{kind}-{network.replace(' ', '-')}.png")
            with replacing(written[-1]) as partial:
                partial.write_bytes(png(figure))
    return written
