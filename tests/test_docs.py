"""Commands in README.md, docs/, experiments and CI have the options that stand beside them."""

import ast
import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest

import serkit
from serkit.cli.parser import build_parser

PROJECT = Path(serkit.__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
EXPERIMENTS = sorted((PROJECT / "experiments").glob("*.py"))
CI = PROJECT / ".ci/run"
_COMMAND = re.compile(r"(?:serkit [a-z]+|python experiments/\w+\.py|scripts/demo\.sh) (?!\.\.\.).*")


def _commands(page: Path) -> list[str]:
    text = page.read_text("utf-8")
    if page.suffix == ".py":
        text = f"```\n{ast.get_docstring(ast.parse(text))}\n```"
    if page == CI:
        text = f"```\n{text}```"
    text = text.replace("\\\n", " ")
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    return [shown for shown in (*lines, *inline) if _COMMAND.fullmatch(shown)]


def _words(command: str) -> list[str]:
    # What may be left out is shown in brackets, other choices behind a bar.
    shown = re.sub(r"\|[\w-]+|[\[\]]", "", command.split(" #")[0])
    return [word for word in shlex.split(shown) if word != "&"]


COMMANDS = [
    (page.name, command) for page in (*PAGES, *EXPERIMENTS, CI) for command in _commands(page)
]


def test_there_are_commands():
    assert len(COMMANDS) > 50
    assert len(_commands(CI)) == 1


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=str)
def test_the_options_are_there(page, command, monkeypatch, tmp_path):
    program, *words = _words(command)
    if "--config" in words:
        (tmp_path / "config.toml").write_text("roots = ['recordings']")
        words[words.index("--config") + 1] = str(tmp_path / "config.toml")
    if program == "python":
        path = PROJECT / words[0]
        spec = importlib.util.spec_from_file_location(path.stem, path)
        experiment = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(experiment)
        monkeypatch.setattr(sys, "argv", words)
        experiment.parse()
    else:
        build_parser().parse_args(words if program == "serkit" else ["demo", *words])


@pytest.mark.parametrize(
    "page", sorted(PROJECT.glob("*.md")) + PAGES[1:], ids=lambda page: page.name
)
def test_lines_are_short_but_for_tables_and_links(page):
    lines = page.read_text("utf-8").splitlines()
    free = [line for line in lines if line.lstrip().startswith("|") or "](" in line]
    assert [line for line in lines if len(line) > 100 and line not in free] == []
