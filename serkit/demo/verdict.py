"""What may be said of a run, and what must be said with it."""

from collections.abc import Mapping

from serkit.corpora.built_in import WARNING
from serkit.evaluation.paired import FEWEST
from serkit.wording import counted, too_few

_FEW = 8
# Below this a bootstrap over speakers has too little to draw from: on three test speakers of the
# built-in corpus two runs that differed in rounding alone gave +0.2 points and +5.4 (4.2 to 7.1).
_FEWEST_SPEAKERS = 10


LEAKY = (
    "LEAKY: this is the report's random split. The same people are in training and in test, so the "
    "numbers tell how well known voices are recognised, not how well emotion is."
)
"""What stands at the head of everything that was made with speakers on both sides."""


def measured_on(metrics: Mapping) -> str:
    """What the test part is, for headings: unseen speakers, or not."""
    return "LEAKY test part" if metrics["leaky"] else "test speakers"


def summary(metrics: Mapping) -> str:
    """The answer in a sentence, no stronger than its interval.

    Args:
        metrics: content of ``metrics.json``, see :func:`serkit.demo.scores.compare_arms`.
    """
    if not metrics["generated"]:
        return "No class is rare here, so nothing was generated and there is nothing to compare."
    difference = metrics["uar_difference"]
    points = {
        name: f"{100 * share:+.1f}" for name, share in difference.items() if share is not None
    }
    speakers = metrics["parts"]["test"]["speakers"]
    if metrics["leaky"]:
        verdict = "nothing can be concluded, because the split leaks speakers"
    elif speakers < _FEWEST_SPEAKERS:
        verdict = "too few speakers for a verdict"
    elif difference["low"] > 0:
        verdict = "better on these test speakers"
    elif difference["high"] < 0:
        verdict = "worse on these test speakers"
    else:
        verdict = "no effect shown"
    if "low" in points:
        ends = f"95 % interval over speakers {points['low']} to {points['high']}"
    else:
        ends = f"no interval: {too_few(speakers, 'test speaker')}, it takes {FEWEST}"
    who = "already heard" if metrics["leaky"] else "unseen"
    return (
        f"With {sum(metrics['generated'].values())} generated spectrograms added, unweighted "
        f"average recall on {counted(speakers, f'{who} speaker')} changed by "
        f"{points['value']} points "
        f"({ends}): {verdict}."
    )


def warnings(metrics: Mapping, *, built_in: bool) -> list[str]:
    """What a reader must know before believing the numbers.

    Args:
        metrics: as for :func:`summary`.
        built_in: the recordings are the built-in corpus.
    """
    test = metrics["parts"]["test"]
    found = [LEAKY] if metrics["leaky"] else []
    found += [
        f"This run cannot prove anything about augmentation: it is one split, one seed, "
        f"{counted(test['clips'], 'test clip')} of {counted(test['speakers'], 'speaker')}. The "
        "interval covers which speakers were tested, not how the training happened to go, and "
        "with so few speakers it is narrower than it should be."
    ]
    if built_in:
        found.append(WARNING)
    few = _fewer(metrics["training_clips"])
    if few:
        found.append(f"Classes with fewer than {_FEW} training clips: {few}.")
    scarce = _fewer(clips_tested(metrics))
    if scarce:
        found.append(
            f"Classes with fewer than {_FEW} test clips, whose recall moves by 12 points or more "
            f"with a single clip: {scarce}."
        )
    return found


def clips_tested(metrics: Mapping) -> dict[str, int]:
    """Number of test clips of every class."""
    first = next(iter(metrics["arms"].values()))
    rows = first["test"]["confusion"]
    return {label: sum(row) for label, row in zip(metrics["classes"], rows, strict=True)}


def _fewer(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label} ({count})" for label, count in counts.items() if count < _FEW)
