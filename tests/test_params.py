"""params.yaml: what is shipped is valid; what is wrong is named by key."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lion.params import Endpoint, load_params
from lion.support.errors import ParamsError

ROOT = Path(__file__).parent.parent
SHIPPED = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_file_is_valid(path: Path) -> None:
    assert load_params(path).round_names[0] == "r0"


_PAGE = (ROOT / "docs" / "setup.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", re.findall(r"`(\{.*?\})`", _PAGE))
def test_every_endpoint_on_the_page_of_servers_is_valid(value: str) -> None:
    written = yaml.safe_load(value)
    endpoint = Endpoint.model_validate(written)
    assert endpoint.model_dump(include=set(written), mode="json") == written


@pytest.mark.parametrize("line", re.findall(r"`(seeds\w*: [^`]+)`", _PAGE))
def test_every_setting_of_seeds_on_the_page_is_valid(line: str, tmp_path: Path) -> None:
    written = yaml.safe_load(line)
    raw = yaml.safe_load((ROOT / "params.yaml").read_text()) | written
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    params = load_params(tmp_path / "params.yaml").model_dump()
    assert all(params[key] == value for key, value in written.items() if key != "seeds_columns")
    for key, column in written.get("seeds_columns", {}).items():
        assert params["seeds_columns"][key] == column


@pytest.mark.parametrize("text", ["2e-05", "1e-4", "0.00002"])
def test_small_numbers_are_numbers_however_they_are_written(text: str, tmp_path: Path) -> None:
    shipped = (ROOT / "params.yaml").read_text()
    assert "learning_rate: 1.0e-3" in shipped
    file = tmp_path / "params.yaml"
    file.write_text(shipped.replace("learning_rate: 1.0e-3", f"learning_rate: {text}", 1))
    assert load_params(file).imitate.learning_rate == float(text)


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("tau: 2.0", 'line \\d+: not YAML: found duplicate key "tau"'),
        ("[" * 5000, "not YAML"),
    ],
)
def test_what_dvc_cannot_read_is_one_line(added: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text((ROOT / "params.yaml").read_text() + added + "\n")
    with pytest.raises(ParamsError, match=message) as caught:
        load_params(file)
    assert "\n" not in caught.value.message


def test_a_seed_beyond_numpys_range_is_refused(tmp_path: Path) -> None:
    shipped = (ROOT / "params.yaml").read_text()
    file = tmp_path / "params.yaml"
    file.write_text(re.sub(r"(?m)^seed: 1\b", "seed: 4294967296", shipped))
    with pytest.raises(ParamsError, match="seed: Input should be less than"):
        load_params(file)


def test_paper_preset_holds_the_papers_settings() -> None:
    paper = load_params(ROOT / "presets" / "paper.yaml")
    assert (paper.generate.count, paper.generate.hard_share, paper.generate.novelty) == (
        6000,
        0.5,
        0.7,
    )
    assert (paper.imitate.epochs, paper.imitate.learning_rate, paper.imitate.batch) == (
        3,
        2e-5,
        128,
    )
    assert (paper.tau, paper.round_names) == (1.0, ["r0", "r1", "r2", "r3"])
    assert (paper.teacher.temperature, paper.referee.temperature) == (0.7, 0.2)


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(raw: dict[str, Any]) -> None:
        *path, last = key.split(".")
        for part in path:
            raw = raw[part]
        raw[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_set("taus", 1.0), "taus: unknown parameter"),
        (_set("teacher.temprature", 1.0), "teacher.temprature: unknown parameter"),
        (_set("tau", "high"), "tau: Input should be a valid number (it is 'high')"),
        (_set("tau", True), "tau: Input should be a valid number (it is True)"),
        (_set("generate.hard_share", 1.5), "generate.hard_share: Input should be less than"),
        (_set("generate.hard_share", -0.1), "generate.hard_share: Input should be greater than"),
        (_set("generate.count", 0), "generate.count: Input should be greater than 0"),
        (_set("rounds.r4", "r5"), "rounds: r4: r5 is not the round before; expected r4: r3"),
        (_set("rounds.r1", "r1"), "rounds: r1: r1 is not the round before; expected r1: r0"),
        (_set("rounds", {"first": "r0"}), "rounds: first: not a round's name; expected r1"),
        (_set("rounds", {"r1": "r0", "r3": "r1"}), "rounds: r3: not a round's name; expected r2"),
        (_set("decontaminate.files", {"a/b": "f"}), "decontaminate.files.a/b: String should match"),
        (_set("decontaminate.files", {"": "f"}), "decontaminate.files.: String should match"),
        (
            _set("decontaminate.files", {"Evaluate": "f"}),
            "decontaminate.files: Evaluate: this name",
        ),
        (_set("decontaminate.files", {"a": "f", "A": "f"}), "decontaminate.files: a: this name is"),
        (_set("imitate.contrast", {"wrong": "any"}), "imitate.contrast.wrong: Input should be"),
        (_set("imitate.contrast", {"beta": 0}), "imitate.contrast.beta: Input should be greater"),
        (_set("report.marks", "a b.jsonl"), "report.marks: the path has ' '"),
        (_set("report.marks", "a;touch b"), "report.marks: the path has ';'"),
        (_set("report.marks", "$(id)"), "report.marks: the path has '$'"),
        (_set("rewrite.share", 1.5), "rewrite.share: Input should be less than"),
        (_set("endpoints", {}), "endpoints: 'default' is missing"),
        (lambda raw: raw.pop("seed"), "seed: Field required"),
    ],
)
def test_bad_values_are_named_by_key(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    change(raw)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert told in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "told"), [("a: [", "not YAML"), ("", "the file: "), ("- 1", "the file: ")]
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(ParamsError, match=told):
        load_params(path)


def test_a_role_may_name_its_own_model(tmp_path: Path) -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["referee"]["model"] = "strict-one"
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    params = load_params(path)
    assert (params.model_of("referee"), params.model_of("teacher")) == ("strict-one", "oracle")


@pytest.mark.parametrize("path", ["data/marks.jsonl", "../données/印.csv", "C+1@home/a=b.jsonl"])
def test_a_plain_path_of_marks_is_accepted(tmp_path: Path, path: str) -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["report"]["marks"] = path
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    assert load_params(tmp_path / "params.yaml").report.marks == path


@pytest.mark.parametrize("value", ["2026-11-30", ".nan", "[1, .inf]", "{a: 2026-11-30 12:00:00}"])
def test_a_field_of_a_request_that_json_cannot_hold_is_refused(value: str, tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    assert "    concurrency: 32" in text
    file = tmp_path / "params.yaml"
    file.write_text(text.replace("    concurrency: 32", f"    extra: {{since: {value}}}", 1))
    with pytest.raises(ParamsError, match=r"endpoints\.default\.extra: not JSON"):
        load_params(file)


@pytest.mark.parametrize("value", ['"2026-11-30"', "{50256: -100}", "[null, true, 1.5]"])
def test_a_field_of_a_request_may_be_any_json(value: str, tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    file = tmp_path / "params.yaml"
    file.write_text(text.replace("    concurrency: 32", f"    extra: {{since: {value}}}", 1))
    assert load_params(file).endpoints["default"].extra["since"] == yaml.safe_load(value)
