"""The rules that ARCHITECTURE.md states, checked on the source."""

import ast
import graphlib
from pathlib import Path

import pytest

import serkit

ROOT = Path(serkit.__file__).parent
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
# Each may import those before it.
ORDER = (
    *("errors", "files", "seeds", "formatting", "progress", "serialization"),
    *("audio", "datasets", "metrics", "tasks", "layers", "training", "models", "gans"),
    *("uncertainty", "augmentation", "reporting", "export", "serving", "studies", "cli"),
    "__main__",
)
# What a client, the audit and `serkit --help` load; TensorFlow's start takes seconds.
WITHOUT_TENSORFLOW = (
    *("datasets", "metrics", "tasks"),
    *("serving/client.py", "serving/rest_transport.py", "serving/server/settings.py"),
    *("cli/parser.py", "cli/main.py", "augmentation/arms.py", "export/versions.py"),
)


def name_of(path: Path) -> str:
    parts = [part for part in path.with_suffix("").parts if part != "__init__"]
    return ".".join(("serkit", *parts))


NAMES = {name_of(path) for path in MODULES}


def imports_of(path: Path, whole: bool = True) -> set[str]:
    """Modules that a module imports; those of functions too, if ``whole``."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    names = set()
    for node in ast.walk(tree) if whole else tree.body:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            below = {f"{node.module}.{alias.name}" for alias in node.names} & NAMES
            names |= below or {node.module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def package(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_point_one_way(path):
    own = [package(name_of(path))] if path != Path("__init__.py") else []
    used = {name for name in imports_of(path) if name.startswith("serkit.")}
    allowed = ORDER[: ORDER.index(own[0]) + 1] if own else ()
    assert {package(name) for name in used} <= set(allowed)


def test_no_module_imports_itself_through_others():
    graph = {name_of(path): imports_of(path, whole=False) & NAMES for path in MODULES}
    graphlib.TopologicalSorter(graph).prepare()


def test_gans_and_classifiers_do_not_know_each_other():
    for one, other in (("gans", "models"), ("models", "gans")):
        for path in MODULES:
            if path.parts[0] == one:
                assert other not in {package(n) for n in imports_of(path) if "." in n}


@pytest.mark.parametrize("part", WITHOUT_TENSORFLOW)
def test_nothing_loads_tensorflow_where_it_is_not_needed(part):
    paths = {name_of(path): path for path in MODULES}
    waiting = [name_of(path) for path in MODULES if str(path).startswith(part)]
    assert waiting
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = imports_of(paths[name], whole=False)
        assert not {name.split(".")[0] for name in found} & {"tensorflow", "keras"}, name
        waiting += found & NAMES


def test_modules_are_no_longer_than_a_reader_bears():
    lengths = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in MODULES}
    assert {str(path) for path, length in lengths.items() if length > 350} == set()


def test_no_folder_has_one_module_alone():
    for folder in {path.parent for path in MODULES}:
        assert len([path for path in MODULES if path.parent == folder]) > 2, folder


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__init__.py"], ids=str)
def test_the_map_lists_every_module_by_its_first_line(path):
    text = (ROOT.parent / "ARCHITECTURE.md").read_text("utf-8")
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    first = ast.get_docstring(tree).splitlines()[0]
    section = text.split(f"### `{path.parent}/`" if path.parent != Path() else "### Root modules")
    # A line that is continued is indented.
    listed = section[1].split("###")[0].replace("\n  ", " ").splitlines()
    assert f"- `{path.name}` {first}" in listed
