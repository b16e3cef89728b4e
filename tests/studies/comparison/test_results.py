import json

import pytest

from serkit.studies.results import make_results


def test_every_arm_of_every_protocol_and_classifier(pretended):
    _, results = pretended
    assert list(results["protocols"]) == ["k-fold", "random"]
    for protocol, found in results["protocols"].items():
        assert found["leaky"] == (protocol == "random")
        assert len(found["folds"]) == 3
        for classifier in ("compact", "resnet50-head"):
            arms = found["classifiers"][classifier]["arms"]
            assert list(arms) == ["none", "oversampling", "dcgan"]
            assert "difference" not in arms["none"]
            verdicts = [arms[name]["difference"]["verdict"] for name in ("oversampling", "dcgan")]
            assert all(("LEAKY" in each) == found["leaky"] for each in verdicts)


def test_differences_are_of_the_seeds_that_both_have(pretended):
    arms = pretended[1]["protocols"]["k-fold"]["classifiers"]["compact"]["arms"]
    assert [arms[name]["seeds"] for name in arms] == [[0, 1], [0, 1], [0]]
    apart = arms["dcgan"]["difference"]
    assert apart["seeds"] == [0]
    wanted = arms["dcgan"]["uar_of_seeds"]["0"] - arms["none"]["uar_of_seeds"]["0"]
    assert apart["uar"]["estimate"]["value"] == pytest.approx(wanted)
    assert apart["uar"]["visible_with_more_seeds"] is None
    both = arms["oversampling"]["difference"]
    assert both["uar"]["visible_with_more_seeds"] <= both["uar"]["visible"]
    # It is right in 70 % of cases, none in 40 %.
    assert both["uar"]["estimate"]["low"] > 0
    assert both["verdict"].endswith("better on unseen speakers")
    assert apart["speakers_needed"]["1"] > apart["speakers_needed"]["5"] > 0


def test_p_values_are_corrected_for_the_number_of_arms(pretended):
    arms = pretended[1]["protocols"]["k-fold"]["classifiers"]["compact"]["arms"]
    raw = {n: arms[n]["difference"]["uar"]["p"] for n in ("oversampling", "dcgan")}
    corrected = {n: arms[n]["difference"]["p_holm"] for n in raw}
    least = min(raw, key=raw.get)
    assert corrected[least] == pytest.approx(2 * raw[least])
    assert all(corrected[name] >= raw[name] for name in raw)


def test_ways_of_filling_are_compared_with_the_cheapest(pretended):
    arms = pretended[1]["protocols"]["k-fold"]["classifiers"]["compact"]["arms"]
    assert arms["dcgan"]["beside_copies"]["uar"]["estimate"]["value"] < 0
    assert "beside_copies" not in arms["oversampling"]


def test_other_classifiers_are_compared_with_the_first_arm_by_arm(pretended):
    _, results = pretended
    for protocol, found in results["protocols"].items():
        rows = found["between_classifiers"]
        assert [row["arm"] for row in rows] == ["none", "oversampling", "dcgan"]
        for row in rows:
            assert (row["classifier"], row["minus"]) == ("resnet50-head", "compact")
            assert row["p_holm"] >= row["uar"]["p"]
            assert (row["conclusion"] == "leaky") == (protocol == "random")
        # Of the seeds that both have.
        arms = {name: each["arms"]["dcgan"] for name, each in found["classifiers"].items()}
        seeds = set.intersection(*(set(arm["uar_of_seeds"]) for arm in arms.values()))
        assert len(seeds) == 1
        uars = {name: arm["uar_of_seeds"][min(seeds)] for name, arm in arms.items()}
        expected = uars["resnet50-head"] - uars["compact"]
        assert rows[2]["uar"]["estimate"]["value"] == pytest.approx(expected)


def test_the_gap_and_the_corpora(pretended):
    _, results = pretended
    values = [
        results["protocols"][p]["classifiers"]["compact"]["arms"]["dcgan"]["uar"]["value"]
        for p in ("random", "k-fold")
    ]
    assert results["gap"]["compact"]["dcgan"] == pytest.approx(values[0] - values[1])
    assert results["corpora"]["uar"] > results["corpora"]["chance"]


def test_json_holds_neither_times_nor_paths(pretended):
    comparison, results = pretended
    text = json.dumps(results, allow_nan=False)
    assert str(comparison.out) not in text
    assert "seconds" not in text
    assert results["settings"]["roots"] == ["crema-d", "ravdess", "savee", "tess"]


def test_it_is_the_same_again_but_for_listeners_if_recordings_are_of_people(pretended, monkeypatch):
    comparison, results = pretended
    assert (results["synthetic"], results["listeners"]) == (True, {})
    monkeypatch.setattr("serkit.studies.results.synthetic_clips", lambda corpus: frozenset())
    of_people = make_results(comparison)
    assert of_people["listeners"]["crema-d"]["recalls"]["neutral"] == 0.76
    rest = dict(results)
    del of_people["listeners"], rest["listeners"], rest["synthetic"]
    assert json.dumps(of_people) == json.dumps(rest)
