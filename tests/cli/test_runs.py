import json
import re

from serkit.cli.main import main
from serkit.datasets.audit import audit

UAR = {"value": 0.5, "low": 0.4, "high": 0.6}
ARMS = {"none": {"uar": UAR}, "speed": {"uar": {"value": 0.45, "low": None, "high": None}}}
COMPARISON = {"protocols": {"k-fold": {"leaky": False, "classifiers": {"compact": {"arms": ARMS}}}}}
TRAINED = {"test": {"groups": [{"clips": 9, "measures": {"uar": UAR}}]}}


def _write(folder, **files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def test_each_run_is_a_line_with_its_numbers(synthetic_root, tmp_path, capsys):
    runs = tmp_path / "runs"
    audit([synthetic_root]).write(runs / "checked")
    _write(runs / "trained", settings={}, metrics=TRAINED)
    _write(runs / "a" / "compared", settings={}, comparison=COMPARISON)
    _write(runs / "begun", settings={})
    _write(runs / "begun" / "part", metrics=TRAINED)
    score = {"name": "uar", "value": 0.5, "as it was": 0.4}
    _write(runs / "tuned", settings={}, best={"score": score, "trials": 3})
    evaluated = {"model": "1", "clips": 7, "uar": UAR}
    _write(runs / "evaluated", evaluation=evaluated)
    assert main(["runs", str(runs)]) == 0
    found = dict(re.findall(r"^(\S+)  (.*?\n(?:   .*\n)+)", capsys.readouterr().out, re.M))
    assert set(found) == {"checked", "trained", "a/compared", "begun", "tuned", "evaluated"}
    assert "(train, " in found["trained"]
    assert "UAR 50.0 [40.0, 60.0] %, 9 clips" in found["trained"]
    assert "none 50.0 [40.0, 60.0] %; best other: speed 45.0 %" in found["a/compared"]
    assert "0.5 (as it was: 0.4), 3 trials" in found["tuned"]
    assert "1 on 7 clips" in found["evaluated"]
    assert "no results" in found["begun"]
    assert "0 rejected" in found["checked"]


def test_a_damaged_run_does_not_hide_the_others(tmp_path, capsys):
    _write(tmp_path / "good", metrics=TRAINED)
    _write(tmp_path / "other", metrics={"test": 3})
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "metrics.json").write_text("{")
    assert main(["runs", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("metrics.json is damaged") == 2
    assert "UAR 50.0 [40.0, 60.0] %" in out


def test_a_run_alone_is_named_by_its_folder(tmp_path, capsys):
    _write(tmp_path / "mine", metrics=TRAINED)
    assert main(["runs", str(tmp_path / "mine")]) == 0
    assert capsys.readouterr().out.startswith("mine  (train, ")


def test_no_runs_are_an_error(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 2
    assert f"DIR must be a folder with runs. Received: {tmp_path}" in capsys.readouterr().err
    assert main(["runs", str(tmp_path / "nowhere")]) == 2
    assert "DIR must be a folder. Received: " in capsys.readouterr().err
