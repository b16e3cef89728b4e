import json
import re

import numpy as np
import pandas as pd
import pytest

from serkit.cli.main import main


@pytest.fixture
def root(tmp_path, wav_bytes):
    """Names of a user's own, a silent file, a stereo file and a label in German."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "calls"
    folder.mkdir()
    for name, channels in (("ann-angry-1", 1), ("ann-sad-1", 2), ("bob-wut-1", 1)):
        sound = rng.normal(0, 0.1, (8000, channels)).squeeze()
        (folder / f"{name}.wav").write_bytes(wav_bytes(sound))
    (folder / "bob-sad-1.wav").write_bytes(wav_bytes(np.zeros(8000)))
    return folder


PATTERN = r"(?P<speaker>\w+)-(?P<label>\w+)-(?P<repetition>\d)"


def _audit(root, out, *arguments) -> int:
    return main(["audit", str(root), "--out", str(out), *arguments])


def test_it_writes_tables_and_figures_and_prints_counts(synthetic_root, tmp_path, capsys):
    assert _audit(synthetic_root, tmp_path, "--strict") == 0
    out = capsys.readouterr().out
    for words in (
        *("male_surprise", "clips of 23 speakers", "files rejected: 0", "crema-d", "7442"),
        *("emotion by corpus: Cramér's V", "! all ", "are female", "rejected.csv"),
    ):
        assert words in out
    clips = len(pd.read_csv(tmp_path / "manifest.csv"))
    assert clips > 100
    assert json.loads((tmp_path / "audit.json").read_text("utf-8"))["clips"] == clips
    for name in ("clips", "durations"):
        assert (tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_tells_what_was_found_and_lets_odd_clips_be_heard(
    root, tmp_path, wav_bytes, capsys
):
    (root / "ann-angry-2.wav").write_bytes((root / "ann-angry-1.wav").read_bytes())
    for number in range(3, 6):
        sound = np.random.default_rng(number).normal(0, 0.01, 8000 * number)
        (root / f"ann-angry-{number}.wav").write_bytes(wav_bytes(sound))
    out, names = tmp_path / "out", ("--pattern", PATTERN, "--label-names", "wut=angry")
    assert _audit(root, out, *names, "--prosody") == 0
    assert f"report: {out / 'report.html'}" in capsys.readouterr().out
    page = (out / "report.html").read_text("utf-8")
    takeaway = page.index("6 clips of 2 speakers can be used; 2 files were rejected.")
    assert takeaway < page.index("The rarest class, sad, has 1 clip, 20 % of the largest, angry.")
    assert takeaway < page.index("The gender of the speaker is not known") < page.index("<table")
    heads = re.findall("<h2>(.*?)</h2>", page)
    for wanted in ("Classes and speakers", "Prosody by class", "Duplicates", "Rejected files"):
        assert wanted in heads
    assert "duplicate: same bytes and label as ann-angry-1.wav" in page
    assert "silent: " in page[page.index("<h2>Rejected files") :]
    odd = page[page.index("<h2>Odd clips") :]
    assert "Stereo: 2 channels; they are mixed to one. ann-sad-1.wav, sad" in odd
    assert "The loudest; the shortest. ann-angry-1.wav, angry" in odd
    assert "The longest. ann-angry-5.wav, angry" in odd
    assert page.count("<audio") == len(re.findall("<figcaption>.*wav", odd)) == 4
    assert "<pre>serkit audit " in page
    links = re.findall('href="([^#].*?)"', page)
    assert {"manifest.csv", "rejected.csv", "prosody.csv"} <= set(links)
    assert all((out / link).exists() for link in links)
    assert _audit(root, out, *names) == 0
    page = (out / "report.html").read_text("utf-8")
    assert "Prosody" not in page
    assert "prosody.csv" not in page


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_the_page_of_long_names_and_many_classes(
    tmp_path, wav_bytes, layout_of, width
):
    folder = tmp_path / "calls_of_a_centre_with_a_long_name"
    for number in range(26):
        name = f"speaker_{number % 15}/{chr(97 + number)}"
        (folder / name).mkdir(parents=True)
        sound = np.random.default_rng(number).normal(0, 0.1, 4000)
        (folder / name / f"{'a_long_name_' * 5}.wav").write_bytes(wav_bytes(sound))
    pattern = r"(?P<speaker>\w+)/(?P<label>[^/]+)/"
    labels = [f"{chr(97 + n)}={'unusually_long_' * (n % 2)}label_{n}$" for n in range(26)]
    options = ("--pattern", pattern, "--label-names", *labels, "--prosody")
    assert _audit(folder, tmp_path / "out", *options) == 0
    found = layout_of(tmp_path / "out" / "report.html", width)
    assert found["wide"] == found["broken"] == []
    assert found["scroll"] <= found["width"]
    assert found["scale"] >= 90


def test_prosody_is_measured_if_asked_for_and_removed_with_its_recordings(
    root, tmp_path, wav_bytes, capsys
):
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(16_000) / 16_000)
    (root / "ann-happy-1.wav").write_bytes(wav_bytes(tone))
    out, names = tmp_path / "out", ("--pattern", PATTERN, "--label-names", "wut=angry")
    for _ in range(2):
        assert _audit(root, out, *names, "--prosody", "--genders", "ann=f") == 0
    table = pd.read_csv(out / "prosody.csv").set_index("path")
    assert len(table) == len(pd.read_csv(out / "manifest.csv")) == 4
    assert table.loc["ann-happy-1.wav", "f0_hz"] == pytest.approx(220, rel=0.01)
    summary = json.loads((out / "audit.json").read_text("utf-8"))["prosody"]
    assert summary["problems"] == {"no frame is voiced": 3}
    totals = [group for group in summary["groups"] if group["emotion"] is None]
    assert [(group["gender"], group["clips"]) for group in totals] == [("", 1), ("female", 3)]
    printed = capsys.readouterr().out
    assert "female happy" in printed
    assert "! 3 clips with missing prosody: no frame is voiced" in printed
    assert (out / "figures" / "prosody.png").read_bytes().startswith(b"\x89PNG")
    assert _audit(root, out, *names) == 0
    assert not {"prosody.csv", "prosody.png"} & {path.name for path in out.rglob("*")}
    assert "prosody" not in json.loads((out / "audit.json").read_text("utf-8"))


def test_prosody_of_a_manifest_is_that_of_its_recordings(root, tmp_path):
    names = ("--pattern", PATTERN, "--label-names", "wut=angry", "--prosody")
    assert _audit(root, tmp_path / "one", *names) == 0
    assert _audit(tmp_path / "one" / "manifest.csv", tmp_path / "two", "--prosody") == 0
    one, two = (tmp_path / name / "prosody.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_table_of_prosody_not_written_by_serkit_is_kept(root, tmp_path, capsys):
    (tmp_path / "prosody.csv").write_text("speaker,f0\n")
    assert _audit(root, tmp_path, "--pattern", PATTERN, "--prosody") == 2
    assert "prosody.csv was not written by serkit" in capsys.readouterr().err
    assert (tmp_path / "prosody.csv").read_text() == "speaker,f0\n"


def test_naming_rules_of_the_user(root, tmp_path, capsys):
    options = ("--pattern", PATTERN, "--label-names", "wut=angry", "--genders", "ann=f,bob=m")
    assert _audit(root, tmp_path / "out", *options) == 0
    manifest = pd.read_csv(tmp_path / "out" / "manifest.csv")
    assert manifest["gender_emotion"].tolist() == ["female_angry", "female_sad", "male_angry"]
    assert manifest["speaker"].tolist() == ["calls-ann", "calls-ann", "calls-bob"]
    out = capsys.readouterr().out
    assert "bob-sad-1.wav: silent" in out
    assert "ann-sad-1.wav: 2 channels" in out


def test_unknown_labels_are_rejected_with_a_remedy(root, tmp_path):
    assert _audit(root, tmp_path / "out", "--pattern", PATTERN) == 0
    rejected = pd.read_csv(tmp_path / "out" / "rejected.csv").set_index("path")
    assert "--label-names wut=EMOTION" in rejected.loc["bob-wut-1.wav", "reason"]


def test_strict_is_status_1_if_something_was_rejected(root, tmp_path):
    options = ("--pattern", PATTERN, "--label-names", "wut=angry")
    assert _audit(root, tmp_path / "out", *options, "--strict") == 1
    assert (tmp_path / "out" / "manifest.csv").is_file()


def test_anomalies_can_be_rejected(root, tmp_path):
    options = ("--pattern", PATTERN, "--label-names", "wut=angry", "--reject", "stereo,clipped")
    assert _audit(root, tmp_path / "out", *options) == 0
    rejected = pd.read_csv(tmp_path / "out" / "rejected.csv")
    assert set(rejected["kind"]) == {"silent", "stereo"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--label-names", "wut"), "--label-names 'wut' is not of the form A=B"),
        (("--pattern", "("), "Received: --pattern '('"),
        (("--reject", "noise"), "--reject noise"),
    ],
)
def test_bad_options_are_one_line_and_status_2(root, tmp_path, capsys, options, words):
    assert _audit(root, tmp_path / "out", *options) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line


def test_a_root_that_is_no_folder_leaves_no_folder(tmp_path, capsys):
    (tmp_path / "speech.wav").touch()
    assert _audit(tmp_path / "speech.wav", tmp_path / "out") == 2
    assert "must be a folder or a CSV" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_rejected_csv_is_written_even_if_no_file_is_usable(root, tmp_path, capsys):
    assert _audit(root, tmp_path / "out") == 2
    assert "4 rejected, the first ann-angry-1.wav" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "out" / "rejected.csv")) == 4


def test_two_corpora_with_names(synthetic_root, tmp_path):
    roots = [f"tess={synthetic_root}/TESS", f"ravdess={synthetic_root}/RAVDESS"]
    assert main(["audit", *roots, "--out", str(tmp_path)]) == 0
    manifest = pd.read_csv(tmp_path / "manifest.csv")
    assert set(manifest["root"]) == set(manifest["corpus"]) == {"tess", "ravdess"}


def test_a_second_audit_without_a_result_leaves_no_stale_manifest(root, tmp_path):
    options = ("--pattern", PATTERN, "--label-names", "wut=angry")
    assert _audit(root, tmp_path / "out", *options) == 0
    assert _audit(root, tmp_path / "out") == 2
    assert len(pd.read_csv(tmp_path / "out" / "manifest.csv")) == 0
    assert not (tmp_path / "out" / "report.html").exists()
    assert json.loads((tmp_path / "out" / "audit.json").read_text("utf-8"))["clips"] == 0


def test_tables_of_the_user_are_not_overwritten(root, capsys):
    table = root / "manifest.csv"
    table.write_text("path,label,speaker\nann-sad-1.wav,sad,ann\n")
    assert main(["audit", str(table), "--out", str(root)]) == 2
    assert "was not written by serkit" in capsys.readouterr().err
    assert table.read_text().startswith("path,label,speaker\nann")


def test_a_page_of_the_user_is_not_overwritten(root, tmp_path, capsys):
    (tmp_path / "report.html").write_text("mine")
    assert _audit(root, tmp_path, "--pattern", PATTERN) == 2
    assert "report.html is not of an audit and is not replaced" in capsys.readouterr().err
    assert (tmp_path / "report.html").read_text() == "mine"


def test_misspelled_options_are_corrected(root, tmp_path, capsys):
    options = ("--label-names", "wut=angry,mut=sad", "--genders", "an=f")
    assert _audit(root, tmp_path / "out", "--pattern", PATTERN, *options) == 0
    out = capsys.readouterr().out
    assert "! --label-names mut=…: no clip has that label" in out
    assert "! --genders an=…: no such speaker" in out
    assert "wut=…" not in out


def test_names_with_special_characters(root, tmp_path, capsys):
    odd = root.rename(root.with_name("a$b_$c [old]"))
    assert _audit(odd, tmp_path / "out", "--pattern", PATTERN, "--label-names", "wut=angry") == 0
    assert "a$b_$c [old]" in capsys.readouterr().out
