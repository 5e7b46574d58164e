"""The pages in a real browser: they render, fold, filter and link, tell nothing to the console, and stay text."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from harness.report.html.page import case_page, run_page
from harness.report.retelling import story_of

sys.path.insert(0, str(Path(__file__).parent))
import queue_client as queue
import report_samples as samples

pytestmark = pytest.mark.browser

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install -e '.[browser]'")
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        if found is None and not Path(started.chromium.executable_path).exists():
            pytest.skip("Chromium is missing: playwright install chromium, or the package chromium of the system")
        sandboxed = [] if os.geteuid() else ["--no-sandbox"]  # Chromium refuses its sandbox to root
        browser = started.chromium.launch(executable_path=found, args=sandboxed)
        yield browser
        browser.close()


class Watched:
    """A page of the browser, and everything that it complains about or asks for."""

    def __init__(self, browser, file, scheme="light", width=1280):
        self.complaints = []
        self.requests = []
        self.context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())


@pytest.fixture
def look(chromium, tmp_path):
    opened = []

    def look(text, **options):
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        opened.append(Watched(chromium, file, **options))
        return opened[-1]

    yield look
    for one in opened:
        assert one.complaints == []
        assert [url for url in one.requests if not url.startswith("file:")] == [] and len(one.requests) == 1
        one.context.close()


@pytest.fixture(scope="module")
def report():
    return samples.run_of(queue.Unsyncing, faults=True)


@pytest.fixture(scope="module")
def pages(report):
    tellings = samples.told_findings(report)
    stories = {id(told.finding): story_of(told.replay) for told in tellings}
    return {
        "case": case_page(stories[id(tellings[0].finding)], "harness replay x.repro.json", "0.0"),
        "run": run_page(report, stories, {}, {}, "0.0"),
        "hostile": case_page(samples.hostile_story(), "</script>", "0.0"),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["case", "run", "hostile"])
def test_a_page_renders_without_a_complaint(look, pages, name, scheme):
    page = look(pages[name], scheme=scheme).page
    assert page.locator("h1").is_visible()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


def contrast(page, selector):
    """The least contrast of text against what is behind it (WCAG 2.1, 1.4.3), for the elements of a selector."""
    return page.evaluate(
        """(selector) => {
          const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          const rgb = (colour) => {
            canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
            return Array.from(canvas.getImageData(0, 0, 1, 1).data);
          };
          const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
            .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = (one) => {
            for (; one; one = one.parentElement) {
              const colour = rgb(getComputedStyle(one).backgroundColor);
              if (colour[3] === 255) return colour;
            }
            return [255, 255, 255, 255];
          };
          return Math.min(...Array.from(document.querySelectorAll(selector), (one) => {
            const [a, b] = [light(rgb(getComputedStyle(one).color)), light(behind(one))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          }));
        }""",
        selector,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["case", "run"])
def test_text_is_readable_in_both_schemes(look, pages, name, scheme):
    page = look(pages[name], scheme=scheme).page
    assert contrast(page, "p, dd, dt, th, td, summary, a, .verdict, .outcome, .quiet, caption, mark, code") >= 4.5


def test_pointing_at_an_operation_shows_its_bytes(look, pages):
    page = look(pages["case"]).page
    write = page.locator(".event.write").first
    write.hover()
    panel = page.locator(".stage").first.locator(".detail")
    assert re.search(r"^00000000  [0-9a-f]{2} .*\\|.+\\|$", panel.locator("pre").inner_text(), re.M)
    assert "write" in panel.inner_text() and "issued by" in panel.inner_text()
    assert page.locator(".bar.related").count() == 1, "what it was in the page cache is marked"


def test_the_lanes_are_walked_with_the_keyboard(look, pages):
    page = look(pages["case"]).page
    stage = page.locator(".stage").first
    stage.locator('.event[tabindex="0"]').focus()
    page.keyboard.press("Home")
    seen = [stage.locator(".detail").inner_text()]
    for _ in range(stage.locator(".event").count() - 1):
        page.keyboard.press("ArrowDown")
        seen.append(stage.locator(".detail").inner_text())
    assert len(set(seen)) == len(seen) > 2
    assert stage.locator('.event[tabindex="0"]').count() == 1
    page.keyboard.press("ArrowUp")
    assert stage.locator(".detail").inner_text() == seen[-2]


def test_the_tab_key_reaches_the_lanes_and_passes_them_in_one_step(look, pages):
    page = look(pages["case"]).page
    stops = []
    while stops.count("skip") < 2 and len(stops) < 100:
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.getAttribute('class') || document.activeElement.tagName"))
    once = stops[: stops.index("skip", 1)]
    assert stops[0] == "skip"
    assert len([stop for stop in once if stop.startswith("event ")]) == page.locator(".lanes svg").count()


def test_an_assistive_technology_gets_names_and_roles(look, pages):
    watched = look(pages["case"])
    session = watched.context.new_cdp_session(watched.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    buttons = [name for role, name in told if role == "button"]
    assert len(buttons) == watched.page.locator(".event").count() and all(buttons)
    assert any("survived in part" in name for name in buttons)
    assert any(role == "main" for role, _ in told) and any(role == "heading" for role, _ in told)
    assert all(name for role, name in told if role in ("region", "link", "image"))


def test_findings_fold_and_unfold(look, pages):
    page = look(pages["run"]).page
    first = page.locator("article.finding").first
    assert not first.locator("dl").is_visible()
    first.locator("summary").first.click()
    assert first.locator("dl").is_visible()
    page.get_by_role("button", name="Open all").click()
    assert page.locator("article.finding > details[open]").count() == page.locator("article.finding").count()
    page.get_by_role("button", name="Close all").click()
    assert page.locator("article.finding > details[open]").count() == 0


def test_a_link_of_the_summary_opens_its_finding_each_time(look, pages):
    page = look(pages["run"]).page
    link = page.locator('.index a[href="#f2"]')
    for _ in range(2):
        link.click()
        assert page.locator("#f2 dl").first.is_visible()
        page.locator("#f2 > details > summary").click()
        assert not page.locator("#f2 dl").first.is_visible()
    page.locator(".matrix a").first.click()
    assert page.locator("article.finding > details[open]").count() == 1


def visible_findings(page):
    return [one.get_attribute("id") for one in page.locator("article.finding").all() if one.is_visible()]


def test_findings_are_filtered_by_verdict_profile_and_text(look, pages, report):
    page = look(pages["run"]).page
    findings = samples.findings_of(report)
    verdicts = sorted({one.verdict for one in findings})
    assert len(visible_findings(page)) == len(findings)
    for verdict in verdicts:
        page.get_by_role("checkbox", name=verdict).uncheck()
        left = [f"f{number}" for number, one in enumerate(findings, 1) if one.verdict != verdict]
        assert visible_findings(page) == left
        page.get_by_role("checkbox", name=verdict).check()
    profile = next(name for one in findings for name in one.profiles)
    page.locator("select").select_option(profile)
    assert visible_findings(page) == [f"f{n}" for n, one in enumerate(findings, 1) if profile in one.profiles]
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function(f"document.querySelector('output').textContent.startsWith('{len(findings)} of')")
    page.get_by_role("searchbox").fill(f"{findings[0].source} {findings[0].verdict.upper()}")
    assert "f1" in visible_findings(page)
    page.get_by_role("searchbox").fill("no such words anywhere")
    assert visible_findings(page) == [] and page.locator(".no-match").is_visible()
    assert f"0 of {len(findings)} shown" in page.locator("output").inner_text()


def test_a_link_finds_a_finding_that_the_filter_hides(look, pages, report):
    page = look(pages["run"]).page
    page.get_by_role("searchbox").fill("no such words anywhere")
    page.locator('.index a[href="#f1"]').click()
    assert page.locator("#f1 dl").first.is_visible()


def test_a_hostile_case_stays_text(look, pages):
    page = look(pages["hostile"]).page
    for event in page.locator(".event").all():
        event.focus()
    assert page.locator("img").count() == 0 and page.locator("script").count() == 1
    assert page.locator("svg svg").count() == 0 and page.locator('a[href^="javascript"]').count() == 0
    text = page.evaluate("document.body.textContent")
    assert "<img src=x onerror=alert(1)>" in text
    assert not {"\x00", "\u202e", "\u2066"} & set(text)


def test_the_policy_stops_what_the_page_does_not_do(chromium, pages, tmp_path):
    """Not the page's doing: what would happen if a text came through as markup after all."""
    file = tmp_path / "broken.html"
    planted = "<script>document.title='owned'</script><img src=http://127.0.0.1:9/x onerror=\"document.title='owned'\"></main>"
    file.write_text(pages["case"].replace("</main>", planted, 1))
    watched = Watched(chromium, file)
    assert watched.page.title() != "owned"
    assert any("Content Security Policy" in one for one in watched.complaints)
    watched.context.close()


def test_a_narrow_window_scrolls_the_lanes_and_not_the_page(look, pages):
    for name in ("case", "run"):
        page = look(pages[name], width=380).page
        for fold in page.locator("article.finding > details").all():
            fold.evaluate("one => { one.open = true }")
        assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_without_scripts_the_table_tells_the_same(chromium, pages, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(pages["case"])
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator("details.table > summary").first.click()
    assert page.locator("details.table td code").first.is_visible()
    context.close()
