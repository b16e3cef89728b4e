from serkit.studies.uncertainty_results import uncertainty_report

CLASSES = ("angry", "happy", "sad")


def test_tables(answers):
    text = uncertainty_report(answers, CLASSES)
    assert "| honest |" in text
    assert "| too sure | 1.00 |" in text
    assert "strangers found by epistemic uncertainty" in text
    assert "strangers found by feature density" in text
    assert "| too sure less honest | 0.0 [0.0, 0.0] |" in text
    nobody = uncertainty_report(answers[answers["kind"] == "known"], CLASSES)
    assert "strangers" not in nobody
