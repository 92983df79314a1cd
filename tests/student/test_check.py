"""A base that would be trained on wrong prompts is refused at the seed stage, in one line."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from lion.student.check import check_base
from lion.support.errors import InputError
from stages.seed import main
from tests.repository import ROOT

BASE = ROOT / "data" / "base"
TURNS = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
DEMANDS_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}{{ raise_exception('a system message first') }}"
    "{% endif %}" + TURNS
)
READS_LISTS = (
    "{% for m in messages %}{{ m['role'] }}: {% for part in m['content'] %}"
    "{% if part is mapping %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
)
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}" + TURNS


def base(folder: Path, template: str | None = None) -> Path:
    """The shipped base with another template."""
    shutil.copytree(BASE, folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_the_shipped_base_passes() -> None:
    check_base(str(BASE), None)


@pytest.mark.parametrize(
    "template",
    [
        TURNS,
        "{% for m in messages %}{{ m['content'] | trim }}{% endfor %}",
        "{{ strftime_now('%d') }}" + TURNS,
    ],
)
def test_sound_templates_pass(tmp_path: Path, template: str) -> None:
    check_base(str(base(tmp_path / "base", template)), None)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (DEMANDS_SYSTEM, "a system message first"),
        (READS_LISTS, "does not show the task's text unchanged"),
        ("[user][bot]", "does not show the task's text unchanged"),
        ("{{ messages[0]['content'] | upper }}", "does not show the task's text unchanged"),
        ("{{ messages[0]['content'][:40] }}", "does not show the task's text unchanged"),
        ("{{ messages[0]['content'] | tojson }}", "does not show the task's text unchanged"),
        ("{{ messages[0]['content'] | e }}", "does not show the task's text unchanged"),
        ("{{ messages[0]['content'].split() | join(' ') }}", "does not show the task's text"),
        ("{% for %}", "TemplateSyntaxError"),
        ("{{ 'x' * 3000000 }}" + TURNS, "renders a short task as"),
        ("{{ 'x' * 30000000000 }}" + TURNS, "MemoryError"),
        ("{{ messages.__class__.__mro__ }}" + TURNS, "unsafe"),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}" + TURNS, "fails"),
    ],
)
def test_a_template_that_spoils_prompts_is_refused(
    tmp_path: Path, template: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        check_base(str(base(tmp_path / "base", template)), None)
    assert "\n" not in str(caught.value)


def test_a_template_without_an_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="does not finish within"):
        check_base(str(base(tmp_path / "base", ENDLESS)), None)


def test_ids_beyond_the_embeddings_are_refused(tmp_path: Path) -> None:
    folder = base(tmp_path / "base")
    change(folder / "config.json", vocab_size=100)
    with pytest.raises(InputError, match=r"uses id \d+, but the model has embeddings for 0 to 99"):
        check_base(str(folder), None)


@pytest.mark.parametrize("name", ["imitate.max_length", "student.max_tokens"])
def test_rows_longer_than_the_positions_are_refused(tmp_path: Path, name: str) -> None:
    folder = base(tmp_path / "base")
    change(folder / "config.json", max_position_embeddings=100)
    check_base(str(folder), None, lengths={name: 100})
    with pytest.raises(InputError, match=f"{name}: 101 tokens, but .* has 100 positions"):
        check_base(str(folder), None, lengths={name: 101})


@pytest.mark.parametrize("opening", ["<think>", "<think>\n", "[THINK]", "◁think▷"])
def test_a_template_whose_prompt_opens_thoughts_needs_thoughts(
    tmp_path: Path, opening: str
) -> None:
    template = TURNS + "{% if add_generation_prompt %}[bot]" + opening + "{% endif %}"
    folder = str(base(tmp_path / "base", template))
    check_base(folder, None, thinks=True)
    with pytest.raises(InputError, match=r"opens thoughts .* set teacher.thoughts: learn"):
        check_base(folder, None)


def test_a_special_token_beyond_the_embeddings_that_nothing_uses_passes(tmp_path: Path) -> None:
    folder = base(tmp_path / "base")
    raw = json.loads((folder / "tokenizer.json").read_text())
    extra = raw["added_tokens"][0] | {"id": 99999, "content": "<|image|>", "special": True}
    raw["added_tokens"].append(extra)
    (folder / "tokenizer.json").write_text(json.dumps(raw))
    check_base(str(folder), None)


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    folder = base(tmp_path / "base")
    change(folder / "tokenizer_config.json", eos_token=None)
    with pytest.raises(InputError, match="no end-of-text token"):
        check_base(str(folder), None)


def test_a_tokenizer_without_padding_passes(tmp_path: Path) -> None:
    folder = base(tmp_path / "base")
    change(folder / "tokenizer_config.json", pad_token=None)
    check_base(str(folder), None)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_a_model_is_refused_without_a_question(
    tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on stdin"))
    folder = base(tmp_path / "base")
    kinds = {"AutoConfig": "own.Config", "AutoTokenizer": ["own.Tokenizer", None]}
    change(folder / file, auto_map=kinds, model_type="own", tokenizer_class="OwnTokenizer")
    (folder / "own.py").write_text("raise SystemExit('ran')\n")
    with pytest.raises(InputError) as caught:
        check_base(str(folder), None)
    assert "\n" not in str(caught.value)


def test_the_seed_stage_ends_with_one_line(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    folder = base(tmp_path / "base", READS_LISTS)
    params = tmp_path / "params.yaml"
    params.write_text(text.replace("base: data/base", f"base: {folder}"))
    outs = ("pool", "cache", "kept", "student", "replay", "questions-out")
    options = [part for name in outs for part in (f"--{name}", str(tmp_path / name))]
    result = CliRunner().invoke(main, [*options, "--params", str(params)])
    assert result.exit_code == 1, result.output
    [line] = result.stderr.splitlines()
    assert "does not show the task's text unchanged" in line
    assert not (tmp_path / "student").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Is /think a command of Qwen?", "changes it"),
        ("<tool_response>\nx\n</tool_response>", "fails on it .*no question"),
        ("a " * 3000, "changes it"),
    ],
)
def test_a_template_must_show_each_task(tmp_path: Path, text: str, reason: str) -> None:
    template = (
        "{% for m in messages %}{% if m['content'].startswith('<tool_response>') %}"
        "{{ raise_exception('no question') }}{% endif %}"
        "[{{ m['role'] }}]{{ m['content'].replace('/think', '')[:5000] }}{% endfor %}"
    )
    folder = str(base(tmp_path / "base", template))
    check_base(folder, None, tasks=[("seeds.jsonl, line 1", " Name a river.\n")])
    with pytest.raises(InputError, match=f"^seeds.jsonl, line 2: .*{reason}"):
        check_base(folder, None, tasks=[("seeds.jsonl, line 2", text)])
