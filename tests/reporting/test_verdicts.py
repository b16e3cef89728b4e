import pytest

from serkit.metrics.bootstrap import Estimate
from serkit.metrics.paired import Difference
from serkit.reporting.verdicts import ONE_SEED, headline, verdict


def _uar(value, low, high):
    return Difference(Estimate(value, low, high, 0.01), 0.01, 0.03, None, 0.0)


@pytest.mark.parametrize(
    ("numbers", "p", "speakers", "leaky", "said"),
    [
        ((0.012, -0.004, 0.029), 0.2, 20, False, "(95 % interval -0.4 to +2.9): no effect shown"),
        ((0.03, 0.01, 0.05), 0.01, 20, False, "better on unseen speakers"),
        ((-0.03, -0.05, -0.01), 0.01, 20, False, "-3.0 points UAR (95 % interval -5.0 to -1.0)"),
        ((-0.03, -0.05, -0.01), 0.01, 20, False, "worse on unseen speakers"),
        ((0.03, 0.01, 0.05), 0.09, 20, False, "not beyond chance once all arms are counted"),
        ((0.03, 0.01, 0.05), 0.01, 9, False, "9 speakers are too few for a verdict"),
        ((0.03, 0.01, 0.05), 0.01, 20, True, "LEAKY, speakers are in training and test"),
        ((0.03, None, None), 0.01, 1, False, "1 speaker is too few for an interval"),
    ],
)
def test_verdicts_by_interval_and_p_value(numbers, p, speakers, leaky, said):
    found = verdict("dcgan", _uar(*numbers), p, speakers, 3, leaky=leaky)
    assert found.startswith("dcgan: ")
    assert said in found


def _arm(value, low, high, p, speakers=20):
    ends = {"value": value, "low": low, "high": high}
    return {
        "difference": {"uar": {"estimate": ends}, "p_holm": p, "speakers": speakers, "seeds": [0]}
    }


def test_headline_sorts_arms_by_conclusion():
    arms = {
        "none": {},
        "a": _arm(0.03, 0.01, 0.05, 0.01),
        "b": _arm(-0.03, -0.05, -0.01, 0.01),
        "c": _arm(0.02, -0.01, 0.05, 0.3),
        "d": _arm(0.03, 0.01, 0.05, 0.2),
    }
    found = headline(arms, "compact", leaky=False)
    assert found.startswith("On 20 unseen speakers, recognition is better with a (+3.0); ")
    assert "worse with b (-3.0); no effect is shown for c (+2.0), d (+3.0)." in found
    assert found.endswith("; compact, training runs of one seed.")
    assert headline(arms, "compact", leaky=True).startswith("LEAKY")
    few = {name: _arm(0.03, 0.01, 0.05, 0.01, 5) for name in ("a", "b")}
    assert headline(few, "x", leaky=False) == (
        "5 speakers are too few to say whether any of 2 arms helps."
    )
    assert headline({"a": few["a"]}, "x", leaky=False) == (
        "5 speakers are too few to say whether a helps."
    )
    assert headline({"none": {}}, "x", leaky=False).startswith("Nothing was compared")


def test_verdict_mentions_a_single_seed():
    found = verdict("a", _uar(0.03, 0.01, 0.05), 0.01, 20, 1, leaky=False)
    assert found.endswith("better on unseen speakers" + ONE_SEED)
