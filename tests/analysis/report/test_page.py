"""The page of findings: what it says, how large it is, and that nothing in answers or findings can act in it."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.analysis.report.test_findings import ABOUT, Told
from tests.browser import CHROMIUM, visit
from univar.analysis.report.findings import About, Finding, finding_of
from univar.analysis.report.page import write_page, write_report

ATTACKS = [
    "<script>document.title='attacked'</script>",
    "</script><script>document.title='attacked'</script>",
    "<img src=x onerror=\"document.title='attacked'\">",
    "<a href=\"javascript:document.title='attacked'\">here</a>",
    "<a href=https://example.org>there</a> https://example.org",
    "]]><svg onload=\"document.title='attacked'\">",
    "</title></td></table></details><!--<script>",
    '" onmouseover="document.title=\'attacked\'" x="',
    "%{x} {{7*7}} {% raw %} ${7*7} $x^2$",
    "\u202etxt.exe \x1b[31m \u2028 \ud800 \u05e9\u05dc\u05d5\u05dd",
    "long" * 500,
]


def hostile(kind: str, attack: str) -> Finding:
    """A finding that says an attack wherever it says anything."""
    profile = {"model": attack, "lang": attack, "read": {}, "readings": {"value": [
        {"title": attack, "stance": 0.9, "low": 0.8, "high": 1.0, "p_holm": 0.0, "n": 3, "telling": [
            {"stance": 0.9, "question": attack, "answer": attack}]},
    ]}}  # fmt: skip
    pair = {"question": attack, "before": attack, "after": attack}
    bar = go.Bar(x=[attack], y=[1.0], name=attack, hovertext=[attack])
    figure = json.loads(go.Figure(bar, {"title": {"text": attack}}).to_json(engine="json"))
    data = {"profiles": [profile, profile], "shifts": [{"name": attack, "pairs": [pair]}], attack: attack}
    return Finding(kind, attack, attack, (attack,), data, [{attack: attack, "n": 1}], figure)


class Parsed(HTMLParser):
    """Tags with their attributes, and all text outside scripts and styles."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text, self._inside = "", ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif not self._inside:
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    findings = [hostile(kind, attack) for attack in ATTACKS for kind in ("values", "shift", "mine")]
    about = About(ATTACKS[1], {ATTACKS[0]: ATTACKS[2]}, {ATTACKS[3]: ATTACKS[1]}, {ATTACKS[0]: 3}, 0, ATTACKS[2])
    write_report(findings, about, path)
    return path


@pytest.fixture(scope="module")
def plain_page(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report([finding_of(Told(), kind) for kind in ("shift", "mine", "values")], ABOUT, path)
    return path


def test_no_tag_and_no_attribute_comes_from_findings(hostile_page, plain_page):
    found, plain = Parsed(hostile_page), Parsed(plain_page)
    allowed = {name for name, _ in plain.tags} | {"dir"}
    assert {name for name, _ in found.tags} <= allowed
    names = {name for _, attributes in found.tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "action")}
    assert {link["href"] for link in found.of("a")} == {f"#part-{number}" for number in range(1, 34)}
    assert "document.title='attacked'" in found.text


def test_scripts_are_one_for_each_figure_and_two_that_run(hostile_page):
    found = Parsed(hostile_page)
    kinds = [attributes.get("type") for attributes in found.of("script")]
    assert kinds == ["application/json"] * 3 * len(ATTACKS) + [None, None]
    for text in found.scripts[:-2]:
        assert not set("<>&\u2028") & set(text)
        json.loads(text)


def test_the_policy_allows_two_scripts_and_no_address(hostile_page):
    found = Parsed(hostile_page)
    (policy,) = [meta["content"] for meta in found.of("meta") if "http-equiv" in meta]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found.scripts[-2:]]
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def test_figures_hold_no_tag_that_leads_anywhere(hostile_page):
    shown = "".join(Parsed(hostile_page).scripts[:-2]).encode().decode("unicode_escape")
    assert set(re.findall(r"<[a-z/!]+", shown)) == set()
    assert "&lt;a href=" in shown


def test_tags_that_only_change_how_a_text_of_a_figure_looks_stay(tmp_path):
    figure = {"data": [], "layout": {"title": {"text": "<b>a</b><br>2<sup>3</sup> <i onclick=x>c</i> <bad>"}}}
    write_report([Finding("k", "t", "s", (), {}, [], figure)], ABOUT, tmp_path / "r.html")
    (text, *_) = Parsed(tmp_path / "r.html").scripts
    text = json.loads(text)["layout"]["title"]["text"]
    assert text == "<b>a</b><br>2<sup>3</sup> &lt;i onclick=x>c</i> &lt;bad>"


def test_control_characters_are_replaced(hostile_page):
    page = hostile_page.read_text(encoding="utf-8")
    assert not set("\x1b\u202e\u2028") & set(page.partition('<script type="application/json"')[0])


def test_plain_words_come_first_then_findings_in_order_then_how_it_was_made(plain_page):
    found = Parsed(plain_page)
    headings = re.findall(r"<(h\d)[^>]*>([^<]*)", plain_page.read_text(encoding="utf-8"))
    assert headings == [
        ("h1", "What the answers say"), ("h2", "In short"), ("h2", "What each LLM stands for"),
        ("h2", "How the answers moved"), ("h2", "mine"), ("h2", "How this was made"),
    ]  # fmt: skip
    assert found.text.count("a stands for thrift (n = 2).") == 6
    assert "univar audit --model m" in found.text
    assert "univar (fingerprint abc)" in found.text
    assert "3 answers" in found.text
    assert "torch 2.13" in found.text


def test_figures_have_a_label_and_a_table_with_a_caption_and_scopes(plain_page):
    found = Parsed(plain_page)
    labels = [div["aria-label"] for div in found.of("div") if div.get("role") == "img"]
    assert labels[0] == "What each LLM stands for: a stands for thrift (n = 2)."
    assert len(labels) == len(found.of("table")) == len(found.of("caption")) == 3
    assert {cell["scope"] for cell in found.of("th")} == {"col", "row"}
    identifiers = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {attributes["aria-labelledby"] for _, attributes in found.tags if "aria-labelledby" in attributes} <= {
        *identifiers
    }


def test_one_reading_is_a_page_without_summary(tmp_path):
    write_page(Told(), "values", tmp_path / "one.html")
    found = Parsed(tmp_path / "one.html")
    assert [name for name, _ in found.tags if name in ("h1", "h2", "nav")] == ["h1"]
    assert found.text.count("a stands for thrift (n = 2).") == 1
    assert "Two." in found.text


def test_plotly_is_there_once_and_only_for_figures(plain_page, tmp_path):
    assert plain_page.read_text(encoding="utf-8").count("plotly.js v") == 1
    write_report([Finding("k", "t", "s", (), {}, [{"n": 1}], None)], ABOUT, tmp_path / "r.html")
    assert Parsed(tmp_path / "r.html").scripts == []
    assert (tmp_path / "r.html").stat().st_size < 20_000


def test_twenty_identities_fit_into_seven_megabytes(tmp_path):
    """A page of 20 identities by 87 values: a dot a QA with its text, cells with what hovers over them, all tables."""
    text = "Q: Should one lie to spare feelings? A: " + "It depends on what honesty asks. " * 11
    rng = np.random.default_rng(0)
    dots = go.Figure(
        [go.Scatter(x=rng.normal(size=87), y=rng.normal(size=87), hovertext=[text] * 87) for _ in range(20)]
    )
    cells = go.Figure(go.Heatmap(z=rng.normal(size=(87, 20)), hovertext=[["m (eng): +0.5 (0.4 to 0.6)"] * 20] * 87))
    readings = [
        {"title": f"value {number}", "stance": 0.5, "low": 0.4, "high": 0.6, "p_holm": 0.001, "n": 9,
         "telling": [{"stance": sign, "question": text, "answer": text * 3} for sign in (1, 0.5, -1)]}
        for number in range(87)
    ]  # fmt: skip
    profiles = [{"model": f"model-{m}", "lang": "eng", "readings": {"value": readings}} for m in range(20)]
    rows = [{"model": f"model-{m}", "x": 0.1, "low": 0.1, "high": 0.2} for m in range(20)]
    pairs = [{"first": f"model-{a}", "second": f"model-{b}", "squared": 0.3} for a in range(20) for b in range(a)]
    findings = [
        Finding("values", "v", "s", ("note",) * 20, {"profiles": profiles}, [], json.loads(cells.to_json())),
        Finding("map", "m", "s", (), {}, rows, json.loads(dots.to_json())),
        Finding("distances", "d", "s", (), {}, pairs, json.loads(cells.to_json())),
    ]
    write_report(findings, ABOUT, tmp_path / "r.html")
    assert 5_000_000 < (tmp_path / "r.html").stat().st_size < 7_000_000
    assert "It depends on what honesty asks." in Parsed(tmp_path / "r.html").scripts[1]


def test_a_figure_too_large_loses_what_hovers_and_then_goes(tmp_path):
    large = go.Figure(go.Scatter(x=[0.0, 1.0], y=[0.0, 1.0], hovertext=["a" * 1_600_000, "b"]))
    larger = go.Figure(go.Scatter(x=[0.0], y=[0.0], name="c" * 1_600_000))
    small = go.Figure(go.Scatter(x=[0.0], y=[0.0], hovertext=["stays"]))
    findings = [Finding("k", "t", "s", (), {}, [], json.loads(one.to_json())) for one in (small, large, larger)]
    write_report(findings[:2], ABOUT, tmp_path / "r.html")
    first, second = map(json.loads, Parsed(tmp_path / "r.html").scripts[:2])
    assert first["data"][0]["hovertext"] == ["stays"]
    assert "hovertext" not in second["data"][0]
    write_report(findings[::2], ABOUT, tmp_path / "r.html")
    found = Parsed(tmp_path / "r.html")
    assert len(found.scripts) == 3
    assert "The figure is too large for this page" in found.text


@pytest.mark.parametrize(
    ("domains", "columns", "width"),
    [([None], 2, 350), ([None], 20, 720), ([(0, 0.4), (0.6, 1)], 0, 700), ([(0, 1), (0, 1)], 0, 350)],
)
def test_pictures_side_by_side_and_many_columns_are_scrolled_on_a_phone(tmp_path, domains, columns, width):
    axes = {f"xaxis{number or ''}": {"domain": domain} for number, domain in enumerate(domains)}
    figure = {"data": [{"z": [[0.0] * columns]}], "layout": axes}
    write_report([Finding("k", "t", "s", (), {}, [], figure)], ABOUT, tmp_path / "r.html")
    (style,) = [div["style"] for div in Parsed(tmp_path / "r.html").of("div") if "style" in div]
    assert style == f"min-width:{width}px"


def test_the_same_findings_are_the_same_page(plain_page, tmp_path):
    write_report([finding_of(Told(), kind) for kind in ("shift", "mine", "values")], ABOUT, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == plain_page.read_bytes()


def test_what_is_no_page_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"cannot write a page as 'r\.pdf'; use a name that ends in \.html"):
        write_report([finding_of(Told(), "k")], ABOUT, tmp_path / "r.pdf")
    with pytest.raises(ValueError, match="a report needs a finding at least"):
        write_report([], ABOUT, tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_draws_every_figure_asks_for_nothing_and_runs_no_attack(hostile_page, width, dark):
    seen = visit(
        hostile_page,
        "document.title",
        "document.querySelectorAll('.plot-container').length",
        "document.querySelectorAll('img, a:not([href^=\"#part-\"])').length",
        "document.documentElement.scrollWidth",
        "getComputedStyle(document.body).backgroundColor",
        "getComputedStyle(document.querySelector('.gtitle')).fill",
        width=width,
        dark=dark,
    )
    assert (seen.errors, seen.requests) == ([], [])
    paper, ink = ("rgb(22, 24, 28)", "rgb(230, 230, 230)") if dark else ("rgb(255, 255, 255)", "rgb(31, 35, 40)")
    assert seen.answers == ["What the answers say", 3 * len(ATTACKS), 0, width, paper, ink]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_escaping_does_without_the_policy(hostile_page, tmp_path):
    page, removed = re.subn('<meta http-equiv="Content-Security-Policy"[^>]*>', "", hostile_page.read_text("utf-8"))
    assert removed == 1
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    seen = visit(tmp_path / "report.html", "document.title", "document.querySelectorAll('img').length")
    assert (seen.errors, seen.requests, seen.answers) == ([], [], ["What the answers say", 0])
