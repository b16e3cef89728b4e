from dataclasses import replace

import pytest

from serkit.datasets.corpus import Clip
from serkit.datasets.duplicates import drop_duplicates
from serkit.datasets.findings import Finding

CLIP = Clip("x.wav", "c", "c-1", "male", "sad", "sad", root="r")


@pytest.fixture
def drop(tmp_path):
    """Clips as ``{"path": "content"}``, or ``{"path": ("content", attributes)}``; files too."""

    def run(clips, unusable=(), roots=("r",)):
        made = []
        for name, value in clips.items():
            content, changes = value if isinstance(value, tuple) else (value, {})
            root, _, path = name.rpartition(":")
            made.append(replace(CLIP, path=path, root=root or "r", sha256=content, **changes))
        folders = {name: tmp_path / name for name in roots}
        unusable = [Finding(root, path, "silent", "silent") for root, path in unusable]
        for root, path, content in [
            *((clip.root, clip.path, clip.sha256) for clip in made),
            *((finding.root, finding.path, "unusable") for finding in unusable),
        ]:
            file = folders[root] / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return drop_duplicates(made, unusable, folders)

    return run


def _paths(findings) -> list[str]:
    return [finding.path for finding in findings]


def test_a_recording_without_a_copy_is_kept(drop):
    kept, found = drop({"a": "1", "b": "2"})
    assert (_paths(kept), found) == (["a", "b"], [])


def test_of_the_same_the_nearest_to_the_root_is_kept(drop):
    kept, found = drop({"a/b/1": "x", "a/2": "x", "a/3": "x"})
    assert _paths(kept) == ["a/2"]
    assert [(f.path, f.reason) for f in found] == [
        ("a/3", "same bytes and label as a/2"),
        ("a/b/1", "same bytes and label as a/2"),
    ]


def test_same_samples_in_other_bytes_are_duplicates(drop, tmp_path):
    clips = {"a": "x", "b": "x"}
    drop(clips)
    (tmp_path / "r" / "b").write_text("x and a chunk")
    _, (found,) = drop_duplicates(
        [replace(CLIP, path=path, sha256="x") for path in clips], [], {"r": tmp_path / "r"}
    )
    assert found.reason == "same samples and label as a"


def test_other_labels_contradict_each_other_and_none_is_kept(drop):
    kept, found = drop({"a": "x", "b": ("x", {"emotion": "happy"}), "c": "y"})
    assert _paths(kept) == ["c"]
    assert {f.kind for f in found} == {"contradiction"}
    assert found[0].reason == "same samples under different labels: a (male_sad), b (male_happy)"
    kept, _ = drop({"a": "x", "b": ("x", {"gender": "female"})})
    assert kept == []


def test_a_gender_that_is_not_known_contradicts_nothing(drop):
    kept, found = drop({"a": ("x", {"gender": ""}), "b": "x"})
    assert (_paths(kept), found[0].kind) == (["a"], "duplicate")


def test_another_speaker_is_said(drop):
    _, (found,) = drop({"a": "x", "b": ("x", {"speaker": "c-2"})})
    assert found.reason.endswith("which is of another speaker (c-1, here c-2)")


def test_across_roots_the_first_root_is_kept(drop):
    kept, (found,) = drop({"s:a/deep/1": "x", "r:1": "x"}, roots=("s", "r"))
    assert [(clip.root, clip.path) for clip in kept] == [("s", "a/deep/1")]
    assert found.files == 1
    assert (found.root, found.reason) == ("r", "same bytes and label as s: a/deep/1")


def test_a_doubled_tree_is_one_line(drop):
    """As the RAVDESS archive that is passed around, with a duplicate and a bad file of its own."""
    tree = {"Actor_01/1": "x", "Actor_01/2": "x", "Actor_02/1": "y"}
    inner = {f"archive/{path}": content for path, content in tree.items()}
    bad = [("r", "Actor_02/bad"), ("r", "archive/Actor_02/bad")]
    kept, found = drop(tree | inner, bad)
    assert _paths(kept) == ["Actor_01/1", "Actor_02/1"]
    assert sorted((f.path, f.kind, f.files) for f in found) == [
        ("Actor_01/2", "duplicate", 1),
        ("Actor_02/bad", "silent", 1),
        ("archive/", "duplicate", 4),
    ]
    (folded,) = (f for f in found if f.path == "archive/")
    assert folded.reason == "a second copy of the root: all 4 files in it are there too"


def test_a_tree_that_lies_between_its_own_folders_is_kept_once(drop):
    """As TESS: OAF…, then TESS/ with everything again, then YAF… in the order of names."""
    tree = {"T/OAF/1": "x", "T/YAF/1": "y"}
    kept, (found,) = drop(tree | {f"T/T/{p[2:]}": content for p, content in tree.items()})
    assert _paths(kept) == ["T/OAF/1", "T/YAF/1"]
    assert (found.path, found.files) == ("T/T/", 2)
    assert found.reason.startswith("a second copy of T/:")


def test_a_copy_that_has_more_is_no_doubled_tree(drop):
    tree = {"a/1": "x", "a/2": "y"}
    _, found = drop(tree | {"b/a/1": "x", "b/a/2": "y", "b/a/3": "z"})
    assert sorted(_paths(found)) == ["b/a/1", "b/a/2"]


def test_a_copy_in_which_a_bad_file_differs_is_no_doubled_tree(drop, tmp_path):
    tree = {"a/1": "x", "b/1": "x"}
    _, found = drop(tree, [("r", "a/bad"), ("r", "b/bad")])
    assert [(f.path, f.files) for f in found] == [("a/bad", 1), ("b/", 2)]
    (tmp_path / "r" / "b" / "bad").write_text("another")
    clips = [replace(CLIP, path=path, sha256="x") for path in tree]
    bad = [Finding("r", f"{folder}/bad", "silent", "silent") for folder in "ab"]
    _, found = drop_duplicates(clips, bad, {"r": tmp_path / "r"})
    assert sorted(_paths(found)) == ["a/bad", "b/1", "b/bad"]


def test_a_second_root_that_is_a_copy_is_one_line(drop):
    tree = {"A/1": "x", "A/2": "y"}
    both = {f"{root}:{path}": content for root in "rs" for path, content in tree.items()}
    kept, (found,) = drop(both, roots=("r", "s"))
    assert {clip.root for clip in kept} == {"r"}
    assert (found.root, found.path, found.files) == ("s", "./", 2)


def test_three_copies_are_as_few_lines_as_can_be(drop):
    tree = {"A/1": "x", "A/2": "y"}
    files = {f"{prefix}{p}": c for prefix in ("", "B/", "B/B/") for p, c in tree.items()}
    kept, (found,) = drop(files)
    assert _paths(kept) == ["A/1", "A/2"]
    assert (found.path, found.files) == ("B/", 4)


def test_a_copy_within_a_copy_is_counted_once(drop):
    """c/ is a copy of the root's a/; inside, c/x/ was found before as a copy of a/x/."""
    tree = {"a/x/1": "p", "a/x/2": "q", "a/3": "r"}
    files = tree | {f"c/{path}": content for path, content in tree.items()}
    # A lone twin of the inner folder comes first by its name, before the outer one is looked at.
    files |= {"b/x/1": "p", "b/x/2": "q"}
    kept, found = drop(files)
    assert len(kept) + sum(finding.files for finding in found) == len(files)
    assert _paths(kept) == ["a/x/1", "a/x/2", "a/3"]


def test_many_contradictions_are_named_in_part(drop):
    clips = {f"{n:02}": ("x", {"emotion": ("sad", "happy")[n % 2]}) for n in range(20)}
    kept, found = drop(clips)
    assert kept == []
    assert len(found) == 20
    assert found[0].reason.count("male_") == 8
    assert found[0].reason.endswith("and 12 more")


def test_of_many_files_of_one_name_each_finds_its_twin(drop):
    """x.wav is the same in every folder; the copy is found by the others."""
    tree = {f"{n}/x": "same" for n in range(9)} | {f"{n}/y": f"own {n}" for n in range(9)}
    kept, found = drop(tree | {f"copy/{path}": content for path, content in tree.items()})
    assert [(f.path, f.files) for f in found if f.files > 1] == [("copy/", 18)]
    assert len(kept) == 10
