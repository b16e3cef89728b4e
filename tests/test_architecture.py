"""The rules that ARCHITECTURE.md states, checked on the source."""

import ast
from pathlib import Path

import pytest

import serkit

ROOT = Path(serkit.__file__).parent
GROUND = {
    "errors",
    "files",
    "seeds",
    "progress",
    "leaks",
    "content",
    "values",
    "markdown",
    "wording",
}
# Which rooms each room may import from, besides itself and the ground.
ALLOWED = {
    "corpora": set(),
    "audio": set(),
    "caching": set(),
    "training": {"audio", "caching"},
    "layers": set(),
    "evaluation": set(),
    "runs": set(),
    "gans": {"audio", "training"},
    "classifiers": {"caching", "training", "layers"},
    "uncertainty": {"training", "layers", "evaluation"},
    "judging": {"corpora", "caching", "training", "evaluation", "gans", "classifiers"},
    "data": {"corpora", "audio", "caching"},
    "serving": {"audio", "data", "grid", "layers", "uncertainty"},
    "reporting": {"evaluation"},
    "trials": {
        *("corpora", "audio", "data", "training", "evaluation", "gans", "classifiers", "judging"),
        *("caching", "runs", "layers", "uncertainty", "reporting", "serving"),
    },
    "grid": set(),
    "comparison": {
        "grid",
        *("corpora", "audio", "data", "training", "evaluation", "gans", "classifiers", "judging"),
        *("caching", "runs", "reporting", "trials"),
    },
    "tuning": {
        *("corpora", "audio", "data", "training", "evaluation", "gans", "classifiers", "judging"),
        *("layers", "runs", "uncertainty", "trials", "comparison", "grid"),
    },
    "demo": {
        *("corpora", "audio", "training", "evaluation", "runs", "gans"),
        *(
            "caching",
            "classifiers",
            "judging",
            "data",
            "serving",
            "reporting",
            "trials",
            "uncertainty",
        ),
    },
    "commands": {
        *(
            "corpora",
            "audio",
            "gans",
            "judging",
            "data",
            "reporting",
            "serving",
            "demo",
            "comparison",
            "tuning",
            "grid",
            "classifiers",
            "trials",
        ),
    },
    "cli": {"commands"},
    "__main__": {"cli"},
    **{name: set() for name in GROUND},
}
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def _room(module: str) -> str:
    return module.split(".")[1] if module.startswith("serkit.") else ""


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(node.module)
            if node.module == "serkit":
                names |= {f"serkit.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_point_down(path):
    if path.name == "__init__.py" and len(path.parts) == 1:
        assert not {name for name in _imports(path) if name.startswith("serkit")}
        return
    own = path.parts[0].removesuffix(".py")
    used = {_room(name) for name in _imports(path) if name.startswith("serkit")} - {"", own}
    assert used <= ALLOWED[own] | GROUND


@pytest.mark.parametrize("path", [p for p in MODULES if p.parts[0] == "corpora"], ids=str)
def test_corpora_import_no_tensorflow(path):
    assert not {name.split(".")[0] for name in _imports(path)} & {"tensorflow", "keras"}


def _needs_tests(path: Path) -> bool:
    lines = (ROOT / path).read_text("utf-8").count("\n")
    return not path.stem.startswith("__") and lines > 25


@pytest.mark.parametrize("path", list(filter(_needs_tests, MODULES)), ids=str)
def test_every_module_has_a_test_file(path):
    assert (Path(__file__).parent / path.parent / f"test_{path.stem}.py").is_file()
