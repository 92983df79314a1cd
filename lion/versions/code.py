"""A digest of the code behind a stage's result, without comments, docstrings and formatting.

It covers all of this project that the stage imports, and the prompts and assets that this loads.
"""

import ast
import functools
import hashlib
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from lion.support.errors import InputError

# Code that cannot change a result, and why. It is left out, with everything that it imports.
NEUTRAL = {
    "lion/chat/": "how a model is asked; its replies are in the response store",
    "lion/params/": "reads the parameters; a stage depends on their values",
    "lion/pools/tables.py": "the schema of tables; the stage that fills a column is what counts",
    "lion/report/track.py": "copies figures to an experiment tracker",
    "lion/student/launch.py": "starts the processes of a GPU run",
    "lion/student/memory.py": "checks that a batch fits into memory",
    "lion/student/resumable.py": "keeps checkpoints",
    "lion/student/monitor.py": "watches the loss and the time",
    "lion/support/errors.py": "messages for the user",
    "lion/support/files.py": "writes files atomically",
    "lion/support/home.py": "finds the project and its store",
    "lion/support/progress.py": "shows progress",
    "lion/support/timing.py": "notes how long stages take",
    "stages/__init__.py": "options of the command line",
}
_PACKAGES = ("lion", "stages")


def stage_names(root: Path) -> list[str]:
    """Return the stages with a module in `root`/stages, except the one that writes the digests."""
    modules = sorted(path.stem for path in (root / "stages").glob("*.py"))
    return [name for name in modules if name not in {"__init__", "code"}]


def code_digest(root: Path, stage: str) -> str:
    """Hash the code behind the result of `stage` to 64 hex digits, regardless of file names."""
    modules = _closure(root, f"stages.{stage}")
    parts = [module.digest for module in modules.values()]
    parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in _data_files(modules)]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def digest_file(root: Path, stage: str) -> bytes:
    """Return the content of the file that the stage `code` writes for `stage`."""
    return f"{code_digest(root, stage)}\n".encode()


def ast_digest(tree: ast.AST) -> str:
    """Hash the syntax tree without docstrings, the same on every version of Python."""
    tokens: list[str] = []
    _add_tokens(tree, tokens)
    return hashlib.sha256("\0".join(tokens).encode()).hexdigest()


def _add_tokens(node: object, tokens: list[str]) -> None:
    """Append the parts of the tree without empty fields, which differ between Python versions."""
    if isinstance(node, ast.AST):
        tokens.append(f"({type(node).__name__}")
        for name, value in ast.iter_fields(node):
            if name == "body" and _has_docstring(node):
                value = value[1:]
            if value is not None and value != []:
                tokens.append(name)
                _add_tokens(value, tokens)
        tokens.append(")")
    elif isinstance(node, list):
        for item in node:
            _add_tokens(item, tokens)
    else:
        tokens.append(repr(node))


def _has_docstring(node: ast.AST) -> bool:
    documented = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


class _Module(NamedTuple):
    digest: str
    imports: frozenset[str]  # dotted names, with every package above them, since an import runs it
    texts: frozenset[str]  # the texts in calls


def _closure(root: Path, module: str) -> dict[Path, _Module]:
    """Return `module` and all that it imports from this project, by file."""
    modules: dict[Path, _Module] = {}
    waiting = [_file_of(root, module)]
    while waiting:
        path = waiting.pop()
        if path is None or path in modules:
            continue
        try:
            modules[path] = _parsed(path.read_bytes())
        except SyntaxError as error:
            raise InputError(f"{path}, line {error.lineno}: not Python: {error.msg}") from None
        waiting += [_file_of(root, name) for name in modules[path].imports]
    return modules


@functools.cache  # the stages share most modules
def _parsed(source: bytes) -> _Module:
    tree = ast.parse(source)
    imports, texts = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call):
            parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            texts |= {part for part in parts if isinstance(part, str)}
    above = {part for name in imports for part in accumulate(name.split("."), "{}.{}".format)}
    return _Module(ast_digest(tree), frozenset(above), frozenset(texts))


def _file_of(root: Path, module: str) -> Path | None:
    """Return the file of a module of this project; None for other modules and neutral ones."""
    if module.split(".")[0] not in _PACKAGES:
        return None
    stem = module.replace(".", "/")
    for name in (f"{stem}.py", f"{stem}/__init__.py"):
        if (root / name).is_file():
            return None if name.startswith(tuple(NEUTRAL)) else root / name
    return None


def _data_files(modules: dict[Path, _Module]) -> list[Path]:
    """Return the prompts and assets beside these modules whose names are arguments of a call."""
    named = {text for module in modules.values() for text in module.texts}
    folders = {path.parent for path in modules if path.parent.parent.name == "lion"}
    return [
        path
        for folder in sorted(folders)
        for path in sorted((*folder.glob("*.*"), *folder.glob("assets/*")))
        if path.suffix != ".py" and path.name in named
    ]
