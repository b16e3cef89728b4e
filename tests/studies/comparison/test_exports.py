import pandas as pd
import pytest

from serkit.studies.exports import (
    format_interval,
    format_signed_interval,
    latex_table,
    write_tables,
)


def test_csv_has_every_arm_as_shares_and_the_others_per_cent(pretended, tmp_path):
    _, results = pretended
    write_tables(results, tmp_path)
    table = pd.read_csv(tmp_path / "arms.csv")
    assert len(table) == 2 * 2 * 3
    arms = results["protocols"]["k-fold"]["classifiers"]["compact"]["arms"]
    row = table.query("protocol == 'k-fold' and classifier == 'compact' and arm == 'dcgan'").iloc[0]
    assert not row["leaky"]
    assert row["uar"] == pytest.approx(arms["dcgan"]["uar"]["value"])
    assert row["difference_low"] == pytest.approx(
        arms["dcgan"]["difference"]["uar"]["estimate"]["low"]
    )
    text = (tmp_path / "k-fold-compact.md").read_text()
    assert text.splitlines()[0].startswith("| arm | seeds | UAR | difference to none |")
    assert f"{100 * row['accuracy']:.1f}" in text
    latex = (tmp_path / "random-compact.tex").read_text()
    assert r"\caption{LEAKY: speakers in training and test. random}" in latex
    assert latex.splitlines()[4].startswith("arm, LEAKY & ")
    assert latex.count(r"\\") == 4
    assert "LEAKY" not in (tmp_path / "k-fold-compact.tex").read_text()


def test_a_table_of_each_protocol_compares_classifiers(pretended, tmp_path):
    _, results = pretended
    write_tables(results, tmp_path)
    header, _, *rows = (tmp_path / "k-fold.md").read_text().splitlines()
    assert "compact" in header
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| resnet50-head", arm] for arm in ("none", "oversampling", "dcgan")
    ]
    assert "leaky" in (tmp_path / "random.md").read_text()


def test_numbers_with_their_intervals():
    found = {"value": 0.512, "low": 0.47, "high": 0.553}
    assert format_interval(found) == "51.2 [47.0, 55.3]"
    apart = {"value": 0.012, "low": -0.004, "high": 0.029}
    assert format_signed_interval(apart) == "+1.2 [−0.4, +2.9]"
    assert format_interval(found | {"low": None}) == "51.2"
    assert format_signed_interval(apart | {"low": None}) == "+1.2"


def test_what_latex_would_take_for_its_own_is_escaped():
    text = latex_table(["a_b", "%"], [["x & y", "−1"]], "50 %")
    assert r"a\_b & \% \\" in text
    assert r"x \& y & $-$1 \\" in text
    assert r"\begin{tabular}{lr}" in text
