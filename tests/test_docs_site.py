"""The documentation site of scripts/docs.sh."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import serkit
from serkit.cli.parser import build_parser

pytest.importorskip("mkdocs", reason="no MkDocs; scripts/test.sh --docs installs it")
PROJECT = Path(serkit.__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    done = subprocess.run(
        [*command, str(folder)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_the_project_is_in_it(site):
    docs = PROJECT / "docs"
    pages = {path.stem for pattern in ("*.md", "*.ipynb") for path in docs.rglob(pattern)}
    pages |= {"index", "api", "commands", "ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "SECURITY"}
    assert {path.stem for path in site.rglob("*.html")} - {"404"} == pages
    assert "Speech emotion recognition" in (site / "index.html").read_text("utf-8")


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]* src=\"?(https?:[^\" >]+)", text)
        loaded += re.findall(r"<link[^>]* href=\"?(https?:[^\" >]+)", text)
        assert not loaded, page


def test_every_public_name_and_command_is_described(site):
    text = (site / "api.html").read_text("utf-8")
    described = {name.rpartition(".")[2] for name in re.findall(r'id="(serkit[\w.]*)"', text)}
    tree = ast.parse((PROJECT / "serkit" / "__init__.pyi").read_text("utf-8"))
    (names,) = (node.value for node in tree.body if isinstance(node, ast.Assign))
    assert set(ast.literal_eval(names)) <= described
    commands = (site / "commands.html").read_text("utf-8")
    (choices,) = (action.choices for action in build_parser()._actions if action.dest == "command")
    assert choices
    for name in choices:
        assert f'id="{name}"' in commands


def test_docstrings_are_shown_as_text_and_code(site):
    text = (site / "api.html").read_text("utf-8")
    assert not re.findall(r":(?:class|func|meth|mod|data|attr):", text)
    assert "code-block" not in text
    # Prompts of examples are in code only.
    without_code = re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL)
    assert "&gt;&gt;&gt;" not in without_code
