"""The static page, driven in a real browser."""

import re
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser

from lion.pools.tables import ANSWER, INSTRUCTION, read_table, write_table
from tests.report.conftest import as_project, page_of
from tests.report.looking import PATIENCE, looking_at
from tests.report.synthetic import Size, make_run

CHARTS = 14  # figures of a full run: 11 charts and a histogram for each of three rounds


def test_the_first_screen_answers_in_words_and_figures(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page, viewport={"width": 1280, "height": 800}) as seen:
        assert seen.inner_text("h1").startswith("Round 3: ")
        assert "of the teacher's quality" in seen.inner_text("h1")
        assert seen.locator(".answer").count() == 5
        assert seen.locator(".chart svg").count() == CHARTS
        assert seen.locator(".chart svg").first.is_visible()
        rounds = seen.locator("table", has_text="The rounds.")
        assert rounds.locator("th", has_text="wins").count() == 1
        assert seen.inner_text(".count >> nth=0").endswith("; 60 in all")


def test_the_run_says_who_it_is_and_what_its_figures_rest_on(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page, viewport={"width": 1280, "height": 800}) as seen:
        assert seen.title().startswith("oracle teaches data/base: Round 3: ")
        identity = seen.inner_text(".identity")
        for fact in (
            "teacher, referee and judge oracle (served as fake)",
            "student from data/base",
            "seeds 60",
            "tau 1",
            "replay 1",
        ):
            assert fact in identity
        assert re.search(r"data [0-9a-f]{8} this file \d{4}-\d\d-\d\d\nto repeat it", identity)
        questions = seen.locator(".answer dt").all_inner_texts()
        assert questions[0] == "Did the student get better?"
        assert "paired over " in seen.inner_text(".answer >> nth=0")
        assert seen.locator(".chart svg text", has_text="wrong answers").count() == 1


def test_it_is_used_with_the_keyboard_alone(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page) as seen:
        seen.keyboard.press("Tab")
        assert seen.evaluate("document.activeElement.textContent") == "Skip to the instructions"
        seen.locator("#list .open").first.focus()
        seen.keyboard.press("Enter")
        seen.wait_for_selector("#instruction[open]")
        seen.keyboard.press("Escape")
        assert not seen.locator("#instruction").is_visible()
        seen.locator(".tau input").focus()
        seen.keyboard.press("ArrowRight")
        assert seen.inner_text(".tau output") == "1.1"


def test_charts_fill_their_columns_and_nothing_is_cut_off(chromium: Browser, page: str) -> None:
    """At five widths, one of them 1280 pixels at 200% zoom, and in print."""
    with looking_at(chromium, page, device_scale_factor=2) as seen:
        seen.evaluate(_LARGER)
        for width in (360, 640, 768, 1100, 1440, 1920):
            seen.set_viewport_size({"width": width, "height": 800})
            assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            assert seen.evaluate(_TOO_WIDE) == [], width
            smallest, largest, least = seen.evaluate(_CHARTS)
            assert smallest >= 9, width
            assert largest <= 20, width
            assert least > 0.97, width
            assert seen.evaluate("document.querySelector('header').offsetHeight") < 60
        seen.set_viewport_size({"width": 360, "height": 800})
        seen.click("#list .open >> nth=0")
        assert seen.evaluate("document.querySelector('#instruction').scrollWidth <= innerWidth")


def test_a_single_examination_is_drawn_no_larger_than_three(
    chromium: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "index.html"
    root = as_project(make_run(tmp_path, Size(rounds=2, seeds=20, new=5, questions=5)))
    file.write_text(page_of(root), encoding="utf-8")
    with looking_at(chromium, file.as_uri(), viewport={"width": 1440, "height": 800}) as seen:
        assert seen.evaluate(_CHARTS)[1] <= 20


# Counts of a run of some thousand rows and 400 questions.
_LARGER = """() => document.querySelectorAll('.named td').forEach((cell) => {
  const larger = cell.textContent.replace(/^(\\d+)\\/(\\d+)$/, '$10/$20');
  cell.textContent = larger.replace(/^(\\d\\d)$/, '$1,500');
})"""
_TOO_WIDE = """() => [...document.querySelectorAll('.scroll, table, .answer, .chart')]
  .filter((element) => element.scrollWidth > element.clientWidth + 1 && element.clientWidth)
  .map((element) => element.outerHTML.slice(0, 80))"""
# The smallest and the largest size of text in pixels, and the least share of a column filled.
_CHARTS = """() => {
  const charts = [...document.querySelectorAll('.chart svg')];
  const width = (element) => element.getBoundingClientRect().width;
  const sizes = charts.flatMap((chart) => [...chart.querySelectorAll('text')].map((text) =>
    parseFloat(getComputedStyle(text).fontSize) * width(chart) / chart.viewBox.baseVal.width));
  const filled = charts.map((chart) => width(chart) / width(chart.parentElement));
  return [Math.min(...sizes), Math.max(...sizes), Math.min(...filled)];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(chromium: Browser, page: str, scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for every colour that text is written in."""
    with looking_at(chromium, page, color_scheme=scheme) as seen:
        ratios = seen.evaluate(_CONTRAST)
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


_CONTRAST = """() => {
  const probe = document.body.appendChild(document.createElement('p'));
  const light = (name) => {
    probe.style.color = `var(--${name})`;
    const [r, g, b] = getComputedStyle(probe).color.match(/[0-9.]+/g).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const pairs = [];
  for (const ground of ['paper', 'card'])
    for (const text of ['ink', 'muted', 'accent', 'hard', 'easy']) pairs.push([text, ground]);
  for (let step = 0; step < 7; step++)
    pairs.push([step < 4 ? 'heat-low' : 'heat-high', `heat-${step}`]);
  pairs.push(['ink', 'new']);
  return Object.fromEntries(pairs.map(([one, other]) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return [`${one} on ${other}`, (high + 0.05) / (low + 0.05)];
  }));
}"""


def test_it_prints_on_two_to_four_pages_with_contents(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page, color_scheme="dark") as seen:
        seen.set_viewport_size({"width": 690, "height": 1000})  # the width that A4 leaves
        seen.emulate_media(media="print")
        assert not seen.locator("#filter").is_visible()
        assert seen.locator(".chart svg").first.is_visible()
        assert seen.locator("nav.contents a").count() == 6
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        assert seen.evaluate(ground) == "rgb(255, 255, 255)"
        lefts = (
            "[...document.querySelectorAll('.chart')].map((c) => c.getBoundingClientRect().left)"
        )
        assert len(set(seen.evaluate(lefts))) == 1  # one column
        assert 2 <= len(re.findall(rb"/Type\s*/Page\b", seen.pdf(format="A4"))) <= 4


def test_nothing_of_a_hostile_run_runs(chromium: Browser, tmp_path: Path) -> None:
    root = as_project(make_run(tmp_path, Size(seeds=40, new=15), nasty=True))
    file = tmp_path / "index.html"
    file.write_text(page_of(root), encoding="utf-8")
    with looking_at(chromium, file.as_uri()) as seen:
        for details in seen.locator("main details").all():
            details.evaluate("(one) => { one.open = true; }")
        rows = [f"#list .open >> nth={place}" for place in range(20)]
        for row in [*rows, *(f"#questions .open >> nth={place}" for place in range(5))]:
            seen.click(row)
            seen.wait_for_selector("#instruction[open]")
            for summary in seen.locator("#instruction summary").all():
                summary.click()
            assert "⟦U+202E⟧" in seen.inner_text("main") + seen.inner_text("#instruction")
            seen.keyboard.press("Escape")
        assert seen.evaluate("Object.keys(window).filter((name) => name.startsWith('pwned'))") == []
        inside = "#instruction :is(img, iframe, svg)"
        elements = f"main img, main iframe, {inside}, [onload], [onerror]"
        assert seen.locator(elements).count() == 0
        assert seen.locator("a:not([href^='#'])").count() == 0
        assert seen.locator("script").count() == 2


@pytest.mark.parametrize("width", [360, 1440])
def test_huge_words_and_texts_stay_within_the_page(
    chromium: Browser, tmp_path: Path, width: int
) -> None:
    """A word of 100,000 characters, an end of the script and a turn of direction in one text."""
    root = as_project(make_run(tmp_path, Size(rounds=2, seeds=8, new=4, questions=3)))
    huge = f"{'x' * 100_000}</script><script>window.pwned = 1</script>\u202e{'word ' * 20_000}"
    for name, schema in (("pools/train", INSTRUCTION), ("answers", ANSWER), ("responses", ANSWER)):
        for path in (root / "data" / name).glob("*.jsonl"):
            text = "instruction" if name == "pools/train" else "answer"
            write_table(
                path, read_table(path, schema).with_columns(pl.lit(huge).alias(text)), schema
            )
    file = tmp_path / "index.html"
    file.write_text(page_of(root), encoding="utf-8")
    assert file.stat().st_size < 5_000_000
    with looking_at(chromium, file.as_uri(), viewport={"width": width, "height": 800}) as seen:
        assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.locator("#list tbody tr").first.bounding_box()["height"] < 200  # type: ignore[index]
        seen.click("#list .open >> nth=0")
        seen.wait_for_selector("#instruction .task")
        assert seen.evaluate("document.querySelector('#instruction').scrollWidth <= innerWidth")
        assert "⟦U+202E⟧" in seen.inner_text("#instruction .task")
        assert seen.evaluate("window.pwned") is None


def test_the_policy_stops_what_a_mistake_would_let_in(chromium: Browser, page: str) -> None:
    """The second line of defence: even markup that got into the page does not run."""
    opened = chromium.new_context()
    opened.set_default_timeout(PATIENCE)
    seen = opened.new_page()
    seen.goto(page)
    seen.evaluate(
        """() => {
          document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.pwned = 1">');
          const script = document.createElement('script');
          script.textContent = 'window.pwned = 2';
          document.body.append(script);
          const link = '<a href="javascript:pwned=3" id=bad>x</a>';
          document.body.insertAdjacentHTML('beforeend', link);
          document.querySelector('#bad').click();
        }"""
    )
    seen.wait_for_timeout(200)
    assert seen.evaluate("window.pwned") is None
    opened.close()
