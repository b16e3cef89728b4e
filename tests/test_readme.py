"""The Python in README.md and docs runs; that of docs/serving.md has tests of its own."""

import re
from pathlib import Path

import keras
import numpy as np

import serkit

PROJECT = Path(serkit.__file__).parents[1]
README = (PROJECT / "README.md").read_text("utf-8")


def test_the_lines_of_python_run(synthetic_root, tmp_path, monkeypatch):
    code = _python_of("README.md")
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


def _python_of(page):
    (code,) = re.findall(r"```python\n(.*?)```", (PROJECT / page).read_text("utf-8"), re.DOTALL)
    return code


def test_the_lines_of_python_about_gans_run(tmp_path, monkeypatch):
    code = _python_of("docs/gans.md")
    for old, new in {
        "width=0.25, steps=600": "width=0.05, steps=20",
        "epochs=30": "epochs=1",
    }.items():
        assert old in code
        code = code.replace(old, new)
    monkeypatch.chdir(tmp_path)
    names = {"spectrograms": np.zeros((4, 224, 224, 1), "float32")}
    exec(compile(code, "gans.md", "exec"), names)
    assert isinstance(names["gan"], serkit.DCGAN)
    assert Path("gan.keras").is_file()


def test_the_lines_of_python_about_bayesian_networks_run(tmp_path):
    labels = np.array([0, 1, 0, 1])
    spectrograms = np.zeros((4, 32, 32, 1), "float32")
    names = {
        "trained": serkit.lenet5(2, (32, 32, 1)),
        "fit_classifier": serkit.fit_classifier,
        "train": serkit.Examples(spectrograms, frozenset({"ann"}), labels),
        "validation": serkit.Examples(spectrograms, frozenset({"bob"}), labels),
        "speakers": serkit.Speakers(frozenset({"ann"}), frozenset({"bob"}), frozenset({"cid"})),
        "settings": serkit.FitSettings(epochs=1, steps_per_epoch=1, batch_size=4),
        "seed": 0,
        "folder": tmp_path,
        "real_training_clips": spectrograms,
    }
    exec(compile(_python_of("docs/uncertainty.md"), "uncertainty.md", "exec"), names)
    assert isinstance(names["bayesian"].layers[-1], serkit.layers.DenseVariational)
    assert isinstance(names["bayesian"], keras.Model)


def test_every_file_it_names_is_there():
    linked = re.findall(r"\]\((?!http)([^)]+)\)", README)
    named = re.findall(r"`((?:scripts|experiments|saved_models)/[\w./-]*|[A-Z]+\.md)`", README)
    assert {"docs/images/compare-verdicts.png", "ARCHITECTURE.md"} <= {*linked, *named}
    for name in {*linked, *named}:
        assert (PROJECT / name).exists(), name
