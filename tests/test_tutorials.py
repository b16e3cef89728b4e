"""The notebooks of docs/tutorials run, and their outputs are stored with them."""

import os
import sys
from pathlib import Path

import pytest

import serkit

nbclient = pytest.importorskip("nbclient", reason="no Jupyter; scripts/test.sh --docs installs it")
nbformat = pytest.importorskip("nbformat")
PROJECT = Path(serkit.__file__).parents[1]
NOTEBOOKS = sorted((PROJECT / "docs" / "tutorials").glob("*.ipynb"))


def test_there_are_four():
    assert len(NOTEBOOKS) == 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored_and_small(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {
        "stream",
        "execute_result",
        "display_data",
    }
    assert path.stat().st_size < 150_000
    assert str(PROJECT) not in path.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(path, as_version=4)
    # Raises the error of a cell.
    nbclient.NotebookClient(
        notebook, timeout=1800, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
