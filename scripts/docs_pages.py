"""Pages of the documentation site that are not in docs/: a hook of MkDocs, see mkdocs.yml.

README.md becomes the first page. The pages of commands and of the Python API are made from the
parsers and from ``serkit/__init__.pyi``, those of the tutorials from their notebooks.
"""

import argparse
import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

from serkit.cli.parser import build_parser

PROJECT = Path(__file__).parents[1]
PAGES = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
"""Pages of the project's folder; README.md is ``index.md``."""
_WIDTH = 90
# Names of other objects, which Sphinx would link.
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):<code>~?([^<]+)</code>")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""
    contents = {name: (PROJECT / name).read_text("utf-8") for name in PAGES}
    contents["index.md"] = (PROJECT / "README.md").read_text("utf-8")
    for name, content in contents.items():
        files.append(File.generated(config, name, content=_relinked(content)))
    files.append(File.generated(config, "commands.md", content=commands_page()))
    files.append(File.generated(config, "api.md", content=api_page()))
    for notebook in sorted((PROJECT / "docs" / "tutorials").glob("*.ipynb")):
        for name, content in notebook_page(notebook).items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to the project's folder and to notebooks lead to the pages of the site."""
    if not page.file.src_uri.startswith("tutorials/"):
        markdown = markdown.replace("](../", "](")
    return markdown.replace(".ipynb)", ".md)")


def on_page_content(html: str, **_: Any) -> str:
    """Show the last part of names that docstrings mark with a role of Sphinx."""
    return _ROLE.sub(lambda match: f"<code>{match[1].rpartition('.')[2]}</code>", html)


def _relinked(content: str) -> str:
    """Return a page of the project's folder with links as from docs/."""
    content = content.replace("](docs/", "](").replace("](README.md", "](index.md")
    return re.sub(r"\[([^\]]*)\]\((?:CITATION\.cff|LICENSE)\)", r"`\1`", content)


def notebook_page(notebook: Path) -> dict[str, str | bytes]:
    """Return the Markdown of a notebook with its outputs, and its figures, by file name."""
    body, resources = MarkdownExporter().from_filename(str(notebook))
    body = body.replace("```python\n%%bash", "```bash\n%%bash")
    # The theme has a style for tables that have none.
    body = re.sub(r"<style scoped>.*?</style>\n", "", body, flags=re.DOTALL)
    body = body.replace('<table border="1" class="dataframe">', "<table>")
    figures = {f"{notebook.stem}-{name}": data for name, data in resources["outputs"].items()}
    for name in resources["outputs"]:
        body = body.replace(f"]({name})", f"]({notebook.stem}-{name})")
    return {f"{notebook.stem}.md": body, **figures}


def commands_page() -> str:
    """Return the help of each command, as ``serkit COMMAND --help`` prints it."""
    os.environ["COLUMNS"] = str(_WIDTH)
    parser = build_parser()
    sections = ["# Commands", f"```\n{parser.format_help()}```"]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                sections += [f"## {name}", f"```\n{command.format_help()}```"]
    return "\n\n".join(sections) + "\n"


def api_page() -> str:
    """Return a page of all public names, for mkdocstrings."""
    sections = ["# Python", "All of it is in the package `serkit`."]
    sections += [f"::: {name}" for name in sorted(_public_names(), key=_by_last_part)]
    return "\n\n".join(sections) + "\n"


def _public_names() -> Iterator[str]:
    """Yield where each name of ``serkit/__init__.pyi`` is defined."""
    tree = ast.parse((PROJECT / "serkit" / "__init__.pyi").read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            module = f"serkit.{node.module}" if node.module else "serkit"
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _by_last_part(name: str) -> str:
    return name.rpartition(".")[2].lower()
