import shutil

import pytest

from serkit.errors import InputError, ResumeError
from serkit.files import read_json, write_json
from serkit.studies.finished_demo import FinishedRun, classifier_file, known_of


def test_the_split_and_the_better_arm_are_found_again(finished_run):
    finished = FinishedRun(finished_run)
    parts = finished.parts()
    assert parts.split.summary() == read_json(finished_run / "split.json")
    assert parts.of(parts.split.test).shape == (len(parts.split.test), 32, 32, 1)
    better = classifier_file(finished_run, "augmented")
    assert finished.classifier(None) == ("augmented", better)
    assert finished.classifier("original")[0] == "original"
    with pytest.raises(InputError, match="arm"):
        finished.classifier("third")


def test_nothing_was_added_to_the_first_arm(finished_run):
    finished = FinishedRun(finished_run)
    known = known_of(finished.settings, finished.metrics, "original", "mine")
    assert known["generated"] == {}
    known = known_of(finished.settings, finished.metrics, "augmented", "mine")
    assert known["generated"] == {"surprise": 7}


def test_what_is_no_finished_run_is_refused(finished_run, tmp_path):
    with pytest.raises(InputError, match="no finished run of serkit demo"):
        FinishedRun(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(finished_run, copy)
    classifier_file(copy, "original").unlink()
    with pytest.raises(InputError, match="is not there"):
        FinishedRun(copy).classifier("original")
    split = read_json(copy / "split.json")
    write_json(copy / "split.json", split | {"seed": 7})
    with pytest.raises(ResumeError, match="not the split that is drawn now"):
        FinishedRun(copy).parts()
