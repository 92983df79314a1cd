"""The lists of the static page, its dialog and tau, driven in a real browser."""

import json
import re

from playwright.sync_api import Browser

from tests.report.looking import found, looking_at


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
        about = seen.inner_text("#instruction .hint >> nth=0")
        assert re.search(r"begins with “\w+” \(hard in r3: [\d.]+%, of all [\d.]+%\)", about)
        assert seen.locator("#instruction h4", has_text=" tokens").count() > 3
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
