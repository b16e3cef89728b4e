from serkit.studies.uncertainty_results import uncertainty_report

CLASSES = ("angry", "happy", "sad")


def test_tables(answers):
    text = uncertainty_report(answers, CLASSES)
    assert "| calibrated |" in text
    assert "| overconfident | 1.00 |" in text
    assert "OOD inputs detected by epistemic uncertainty" in text
    assert "OOD inputs detected by feature density" in text
    assert "| overconfident less calibrated | 0.0 [0.0, 0.0] |" in text
    known = uncertainty_report(answers[answers["kind"] == "known"], CLASSES)
    assert "OOD" not in known
