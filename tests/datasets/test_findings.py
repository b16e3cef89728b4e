import pandas as pd

from serkit.datasets.findings import (
    ANOMALY_KINDS,
    REJECTION_KINDS,
    Finding,
    count_files,
    write_findings,
)


def test_files_are_counted_not_lines():
    findings = [
        Finding("r", "a", "silent", ""),
        Finding("r", "tree/", "duplicate", "", 1440),
        Finding("r", "b", "duplicate", ""),
    ]
    assert count_files(findings) == {"silent": 1, "duplicate": 1441}


def test_no_kind_is_both_a_rejection_and_an_anomaly():
    assert not REJECTION_KINDS.keys() & ANOMALY_KINDS.keys()


def test_reasons_survive_commas_quotes_and_line_ends(tmp_path):
    finding = Finding("r", 'fr"ö,h.wav', "silent", "a, b\nc")
    write_findings(tmp_path / "x.csv", [finding])
    (row,) = pd.read_csv(tmp_path / "x.csv").to_dict("records")
    assert row == {
        "root": "r",
        "path": finding.path,
        "kind": "silent",
        "reason": finding.reason,
        "files": 1,
    }
