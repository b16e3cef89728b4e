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


def test_a_page_has_the_result_of_each_run_in_words_and_links_to_its_page(
    synthetic_root, tmp_path, capsys
):
    runs = tmp_path / "runs"
    audit([synthetic_root]).write(runs / "checked")
    (runs / "checked" / "report.html").touch()
    _write(runs / "trained", settings={}, metrics=TRAINED | {"classes": ["sad", "angry"]})
    _write(runs / "a b" / "compared", settings={}, comparison=COMPARISON)
    _write(runs / "old", evaluation={"model": "1", "clips": 7, "uar": UAR})
    _write(runs / "torn", metrics={"test": 3})
    page = tmp_path / "pages" / "runs.html"
    assert main(["runs", str(runs), "--page", str(page)]) == 0
    assert f"page: {page}" in capsys.readouterr().out
    text = page.read_text("utf-8")
    assert "5 runs in runs, the newest last." in text
    assert re.findall('href="(.*?)"', text) == ["../runs/checked/report.html"]
    for words in (
        *("clips of 23 speakers can be used; 0 files were rejected.", "a b/compared"),
        *("over the 2 classes (UAR) is 50.0 [40.0, 60.0] %; guessing gives 50.0 %", "is damaged"),
        *("Nothing was compared", "best other: speed 45.0 %", "1 on 7 clips"),
    ):
        assert words in text


def test_a_page_replaces_no_page_of_a_run(tmp_path, capsys):
    _write(tmp_path / "mine", metrics=TRAINED)
    for name, words in (
        ("mine/report.html", "another file than the page of a run"),
        ("runs.htm", "a file whose name ends with .html"),
    ):
        assert main(["runs", str(tmp_path), "--page", str(tmp_path / name)]) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / name).exists()


def test_no_runs_are_an_error(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 2
    assert f"DIR must be a folder with runs. Received: {tmp_path}" in capsys.readouterr().err
    assert main(["runs", str(tmp_path / "nowhere")]) == 2
    assert "DIR must be a folder. Received: " in capsys.readouterr().err
