"""The rooms of the library: imports go down one list of folders and never up."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import ROOT

LIBRARY = ROOT / "lion"
# Who may import the packages that are slow to load or that reach the network.
IMPORTERS = {
    "openai": {"chat"},
    "torch": {"student"},
    "transformers": {"student"},
    "peft": {"student"},
}
SCRIPTS = {LIBRARY / "oracle" / "make_base.py"}  # makes the shipped student, once


def order() -> list[str]:
    """The folders of lion/ in the order of imports, as CONTRIBUTING.md gives it."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    line = re.search(r"`support(?: < \w+)+`", " ".join(text.split()))
    assert line
    return line[0].strip("`").split(" < ")


def imported(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            block.body = []  # never runs
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def files() -> list[Path]:
    return [path for path in sorted(LIBRARY.rglob("*.py")) if path.parent != LIBRARY]


def test_the_order_names_every_folder() -> None:
    folders = {path.name for path in LIBRARY.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(order())


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_never_go_up(path: Path) -> None:
    rank = {name: number for number, name in enumerate(order())}
    own = rank[path.parent.relative_to(LIBRARY).parts[0]]
    above = [
        name
        for name in imported(path)
        if name.startswith("lion.") and rank.get(name.split(".")[1], len(rank)) > own
    ]
    assert not above
    assert not [name for name in imported(path) if name.split(".")[0] in {"stages", "tests"}]


@pytest.mark.parametrize("package", IMPORTERS)
def test_heavy_packages_have_one_room(package: str) -> None:
    rooms = {
        path.parent.relative_to(LIBRARY).parts[0]
        for path in files()
        if path not in SCRIPTS and package in {name.split(".")[0] for name in imported(path)}
    }
    assert rooms == IMPORTERS[package]


def test_stages_do_not_import_each_other() -> None:
    for path in (ROOT / "stages").glob("*.py"):
        assert not [name for name in imported(path) if name.startswith("stages.")]


def test_the_tree_in_the_readme_names_every_folder() -> None:
    tree = (ROOT / "README.md").read_text().split("## The tree")[1]
    for name in order():
        assert re.search(rf"^  {name}/", tree, re.MULTILINE), name


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    names = re.findall(r"`((?:lion|stages|presets)/[\w/*.]+)`", (ROOT / page).read_text())
    assert names
    assert not [name for name in names if "NAME" not in name and not list(ROOT.glob(name))]
