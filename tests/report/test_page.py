"""The static page, driven in a real browser."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.report.conftest import as_project, page_of
from tests.report.looking import found, looking_at
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
        assert seen.title().startswith("fake teaches data/base: Round 3: ")
        identity = seen.inner_text(".identity")
        for fact in ("teacher fake", "student from data/base", "seeds 60", "tau 1", "replay 1"):
            assert fact in identity
        assert re.search(r"data [0-9a-f]{8} this file \d{4}-\d\d-\d\d\nto repeat it", identity)
        questions = seen.locator(".answer dt").all_inner_texts()
        assert questions[0] == "Did the student get better?"
        assert "paired over " in seen.inner_text(".answer >> nth=0")
        assert seen.locator(".chart svg text", has_text="wrong answers").count() == 1


def test_one_click_leads_from_the_headline_to_every_question(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page, viewport={"width": 1280, "height": 800}) as seen:
        seen.click("h1 a")
        assert seen.locator("#questions").is_visible()
        texts = seen.locator("#questions [data-name='last change']").all_inner_texts()
        sizes = [abs(float(text)) for text in texts if text != "–"]
        assert len(sizes) > 15
        assert sizes == sorted(sizes, reverse=True)
        assert seen.locator("#questions thead th").all_inner_texts()[3:7] == [
            "r0",
            "r1",
            "r2",
            "r3",
        ]
        seen.click("#questions .open >> nth=0")
        body = seen.locator("#instruction")
        assert body.locator("h3", has_text="Evaluated after").count() == 4
        assert body.locator("h4", has_text="teacher:").count() == 4
        assert body.locator("summary", has_text="Judge's replies (2)").count() == 4
        first = body.locator(".task").inner_text()
        body.locator("text=Next").click()
        seen.wait_for_function(
            "(old) => document.querySelector('#instruction .task').textContent !== old", arg=first
        )
        assert "q=" in seen.url
        assert body.locator("#place").inner_text() == "2 of 20"
        seen.keyboard.press("ArrowLeft")
        seen.wait_for_function(
            "(old) => document.querySelector('#instruction .task').textContent === old", arg=first
        )
        seen.keyboard.press("Escape")
        seen.fill("#questions-filter [name=text]", "Question 12:")
        seen.wait_for_selector("text=1 to 1 of 1")


def test_filters_narrow_the_list_and_clear_widens_it(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page) as seen:
        everything = found(seen)
        seen.select_option("[name=verdict]", "easy")
        easy = found(seen)
        assert 0 < easy < everything
        assert set(seen.locator("#list .chip").all_inner_texts()) == {"easy"}
        seen.fill("[name=low]", "8.5")
        assert found(seen) == 0
        seen.click("#filter >> text=Clear")
        assert found(seen) == everything


def test_the_search_finds_an_instruction_by_its_id(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page) as seen:
        seen.click("#list .open >> nth=0")
        id = seen.evaluate("new URLSearchParams(location.hash.slice(1)).get('i')")
        seen.keyboard.press("Escape")
        seen.fill("#filter [name=text]", id)
        assert found(seen) == 1


def test_the_list_is_sorted_and_turned_page_by_page(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page) as seen:
        gaps = [float(text) for text in seen.locator("#list [data-name=gap]").all_inner_texts()]
        assert gaps == sorted(gaps, reverse=True)
        seen.click("#list-pages button >> nth=1")
        found(seen)
        later = float(seen.locator("#list [data-name=gap]").first.inner_text())
        assert later <= gaps[-1]
        assert seen.inner_text("#list-matches").startswith("26 to 50")


def test_a_row_opens_with_both_answers_replies_and_lineage(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page) as seen:
        seen.select_option("[name=origin]", "hard")
        found(seen)
        seen.click("#list .open >> nth=0")
        body = seen.locator("#instruction")
        assert body.locator("h4", has_text="teacher:").count() >= 1
        assert body.locator("h4", has_text="student r").count() >= 1
        body.locator("summary").first.click()
        assert body.locator("h4", has_text="teacher first").first.is_visible()
        assert body.locator("h4", has_text="student first").first.is_visible()
        assert body.locator("h3", has_text="Inspired by").count() == 1


def test_every_link_of_the_tables_opens_its_instruction(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page) as seen:
        for details in seen.locator("main details").all():
            details.evaluate("(one) => { one.open = true; }")
        links = seen.locator("main a[href^='#i=']").all()
        assert len(links) >= 8
        for link in links:
            link.click()
            seen.wait_for_selector("#instruction[open] .task")
            seen.keyboard.press("Escape")


def test_an_older_answer_is_compared_with_the_newer_one(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page) as seen:
        seen.select_option("[name=joined]", "r0")
        found(seen)
        seen.click("#list .open >> nth=0")
        assert seen.locator("#instruction h3", has_text="Examined in r").count() == 3
        assert seen.locator("#instruction ins").count() > 0


def test_moving_tau_moves_all_that_hangs_on_it_and_back(chromium: Browser, page: str) -> None:
    with looking_at(chromium, page, viewport={"width": 1280, "height": 800}) as seen:
        parts = (
            ".count >> nth=0",
            "[data-hard=r3]",
            "#gap .values_marks text >> nth=0",
            "#list tbody",
        )
        before = [seen.locator(part).text_content() for part in parts]
        line = seen.locator(".tau_marks line").first
        at = line.get_attribute("transform")
        seen.select_option("#filter [name=verdict]", "easy")
        easy = found(seen)
        seen.locator(".tau input").fill("9")
        assert found(seen) > easy
        assert set(seen.locator("#list .chip").all_inner_texts()) == {"easy"}
        assert seen.locator("#list .chip.changed").count() > 0
        assert seen.inner_text(parts[0]).startswith("0 of ")
        assert seen.inner_text(parts[1]) == "0.0%"
        assert seen.locator(parts[2]).text_content() == "0%"
        assert "would have gone otherwise" in seen.inner_text("#moved")
        assert "tau=9" in seen.url
        seen.click("#moved button")
        seen.select_option("#filter [name=verdict]", "")
        found(seen)
        assert [seen.locator(part).text_content() for part in parts] == before
        assert line.get_attribute("transform") == at
        assert not seen.locator("#moved").is_visible()


def test_a_list_is_sorted_by_its_headers_and_shared_by_its_address(
    chromium: Browser, page: str
) -> None:
    address = f"{page}#verdict=easy&tau=4&sort=student&down=0"
    with looking_at(chromium, address, viewport={"width": 1280, "height": 800}) as seen:
        assert seen.inner_text("#list-chips") == "Verdict: easy ×"
        assert seen.inner_text(".tau output") == "4.0"
        head = seen.locator("#list th", has_text="student")
        assert head.get_attribute("aria-sort") == "ascending"
        head.locator("button").click()
        found(seen)
        assert head.get_attribute("aria-sort") == "descending"
        seen.select_option("#list-size", "50")
        found(seen)
        with seen.expect_download() as download:
            seen.click("#list-tools [data-download=jsonl]")
        rows = [json.loads(line) for line in download.value.path().read_text().splitlines()]
        assert len(rows) == found(seen)
        assert {row["verdict"] for row in rows} == {"easy"}
        students = [row["student"] for row in rows]
        assert students == sorted(students, reverse=True)
        seen.click("#list-chips button")
        assert found(seen) > len(rows)
        assert "verdict" not in seen.url


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
        for place in range(20):
            seen.click(f"#list .open >> nth={place}")
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


def test_the_policy_stops_what_a_mistake_would_let_in(chromium: Browser, page: str) -> None:
    """The second line of defence: even markup that got into the page does not run."""
    opened = chromium.new_context()
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
