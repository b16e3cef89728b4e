"""What README.md shows must work as it stands."""

import re
from pathlib import Path

import serkit

PROJECT = Path(serkit.__file__).parents[1]
README = (PROJECT / "README.md").read_text("utf-8")


def test_the_lines_of_python_run(synthetic_root, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    # The same lines on less: the small built-in corpus, a narrow network, two steps.
    for old, new in {
        '"recordings"': repr(str(synthetic_root)),
        "width=0.25": "width=0.05",
        "steps=600": "steps=2, steps_per_epoch=2",
    }.items():
        assert old in code
        code = code.replace(old, new)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["spectrograms"].shape[1:] == names["more"].shape[1:] == (224, 224, 1)
    assert int(names["gan"].generator_optimizer.iterations) == 2


def test_every_file_it_names_is_there():
    linked = re.findall(r"\]\((?!http)([^)]+)\)", README)
    named = re.findall(r"`((?:scripts|experiments|saved_models)/[\w./-]*|[A-Z]+\.md)`", README)
    assert {"docs/images/compare-verdicts.png", "ARCHITECTURE.md"} <= {*linked, *named}
    for name in {*linked, *named}:
        assert (PROJECT / name).exists(), name
