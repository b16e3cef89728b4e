"""What an installed serkit must be."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import serkit

PROJECT = Path(serkit.__file__).parents[1]


def test_importing_serkit_imports_nothing_heavy():
    heavy = ["tensorflow", "keras", "pandas", "matplotlib", "librosa", "numpy"]
    code = f"import sys, serkit; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_the_same_everywhere():
    version = re.search(r"^version: (.+)$", (PROJECT / "CITATION.cff").read_text("utf-8"), re.M)
    released = re.findall(r"^## \[(\d.+)\]", (PROJECT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert [version[1], released[0]] == [serkit.__version__] * 2


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: an old build/ in the project would be packed along.
    source = folder / "source"
    shutil.copytree(PROJECT / "serkit", source / "serkit")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(source)], check=True)
    return next(folder.glob("*.whl"))


def test_wheel_holds_every_module_and_data_file(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    here = {path.relative_to(PROJECT).as_posix() for path in PROJECT.glob("serkit/**/*.py")}
    assert here <= held
    assert "serkit/reporting/templates/report.html" in held
    page = {
        path.relative_to(PROJECT).as_posix()
        for path in PROJECT.glob("serkit/serving/server/page/*")
    }
    assert page
    assert page <= held
    assert not {name for name in held if name.startswith(("tests/", "experiments/"))}


def test_wheel_installed_elsewhere_renders_its_template(wheel, tmp_path):
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--target", str(tmp_path / "there"), str(wheel)], check=True)
    code = (
        "import sys; sys.path.insert(0, 'there'); import serkit; assert 'there' in serkit.__file__;"
        "from serkit.reporting.page import write_report; write_report('page.html','t','s',[],[])"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert "<h1>t</h1>" in (tmp_path / "page.html").read_text("utf-8")
