import pytest

from serkit.reporting.verdicts import LEAKY, clips_tested, measured_on, summary, warnings

PARTS = {"test": {"speakers": 12, "clips": 200}}


def _metrics(value, low, high):
    return {
        "generated": {"sad": 30},
        "leaky": False,
        "parts": PARTS,
        "uar_difference": {"value": value, "low": low, "high": high},
    }


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.01, 0.04, "no effect shown"),
        (0.01, 0.04, "better on these test speakers"),
        (-0.04, -0.01, "worse on these test speakers"),
    ],
)
def test_the_verdict_is_what_the_interval_carries(low, high, verdict):
    text = summary(_metrics((low + high) / 2, low, high))
    assert text.endswith(f": {verdict}.")
    assert f"{100 * low:+.1f} to {100 * high:+.1f}" in text
    assert "30 generated" in text


def test_with_few_speakers_there_is_no_verdict():
    metrics = {**_metrics(0.05, 0.04, 0.07), "parts": {"test": {"speakers": 9, "clips": 200}}}
    text = summary(metrics)
    assert text.endswith(": too few speakers for a verdict.")
    assert "+5.0 points" in text


def test_one_speaker_gives_no_interval():
    metrics = {**_metrics(0.05, None, None), "parts": {"test": {"speakers": 1, "clips": 20}}}
    assert "(no interval: 1 test speaker is too few, it takes 6)" in summary(metrics)


def test_without_rare_classes_nothing_is_claimed():
    assert "nothing to compare" in summary({"generated": {}, "parts": PARTS, "leaky": False})


def test_a_leaky_split_proves_nothing_and_every_text_says_so():
    metrics = {**FULL, "leaky": True}
    text = summary(metrics)
    assert "12 known speakers" in text
    assert text.endswith(": nothing can be concluded, because the split leaks speakers.")
    assert warnings(metrics, built_in=False)[0] == LEAKY
    assert LEAKY not in warnings(FULL, built_in=False)
    assert measured_on(metrics).startswith("LEAKY")
    assert measured_on(FULL) == "test speakers"


FULL = {
    **_metrics(0.0, -0.1, 0.1),
    "classes": ["angry", "sad"],
    "training_clips": {"angry": 7, "sad": 8},
    "arms": {"original": {"test": {"confusion": [[9, 1], [2, 1]]}}},
}


def test_warnings_name_what_is_too_small():
    text = warnings(FULL, built_in=True)
    assert "one split, one seed, 200 test clips of 12 speakers" in text[0]
    assert "synthetic voices" in text[1]
    assert "training clips: angry (7)." in text[2]
    assert text[3].endswith("sad (3).")
    assert len(warnings(FULL, built_in=False)) == 3


def test_clips_are_counted_by_their_true_class():
    assert clips_tested(FULL) == {"angry": 10, "sad": 3}
