"""Settings and fixtures for all tests: quiet, offline, one thread, and a tiny student."""

import os

os.environ.update(
    HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1", DVC_NO_ANALYTICS="1"
)

from pathlib import Path

import pytest

# What takes long, in the order to run; all other files are short. `test_loop` plays the miniature
# that others in its folder copy, while the other workers of pytest-xdist run tests of students.
LONG = (
    "pipeline/test_loop.py",
    "student",
    "discriminate/test_injection.py",
    "pipeline",
    "attack",
    "versions",
    "export",
    "stages",
    "chat",
    "report",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run short files last: no worker then waits long for another at the end."""
    root = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        place = item.path.relative_to(root)
        known = (n for n, name in enumerate(LONG) if place.is_relative_to(name))
        return next(known, len(LONG))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an untrained Llama of a few thousand weights and a word tokenizer."""
    from tests.student.tiny import make_tiny_base

    return make_tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the developer's own response store, servers and keys."""
    monkeypatch.setenv("LION_HOME", str(tmp_path / "lion-home"))
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "LION_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of tests/attack, one line each, also under pytest-xdist."""
    for report in terminalreporter.stats.get("passed", []):
        for name, figures in report.user_properties:
            if name == "attack":
                terminalreporter.write_line(f"attack: {figures}")
