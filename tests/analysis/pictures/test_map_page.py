"""The value map as a page: what it says, and that nothing in a corpus can act in it."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from univar.analysis.map.reading import build_map
from univar.analysis.map.results import CAVEAT, caption, frame, outside
from univar.analysis.pictures.map_page import map_plot, write_map_html
from univar.analysis.pictures.map_template import PAGE, SCRIPT
from univar.corpus.records import QARecord

ATTACKS = [
    "<script>document.title='attacked'</script>",
    "</script><script>document.title='attacked'</script>",
    "<img src=x onerror=\"document.title='attacked'\">",
    "<a href=\"javascript:document.title='attacked'\">here</a>",
    "]]><svg onload=\"document.title='attacked'\">",
    "</title></option></select><!--<script>",
    "%{x} %{customdata} %{hovertext}",
    "<b>bold</b><br>&lt;script&gt; &amp;",
    "{title} {{7*7}} ${7*7} $x^2$",
    "\u202etxt.exe \x00\x1b[31m \ud800",
]


@pytest.fixture(scope="module")
def hostile_map():
    """Attacks stand in questions, answers, model names and a language."""
    rng = np.random.default_rng(0)
    records = [
        QARecord(str(q), f"{q} {question}", ATTACKS[(q + m) % len(ATTACKS)], model, "eng" if m else ATTACKS[0])
        for m, model in enumerate(ATTACKS)
        for q, question in enumerate(ATTACKS)
    ]
    return build_map(records, rng.normal(size=(len(records), 8)))


@pytest.fixture(scope="module")
def hostile_page(hostile_map, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "map.html"
    write_map_html(hostile_map, path, title=ATTACKS[1])
    return path


@pytest.fixture(scope="module")
def plain_map():
    records = [QARecord(f"{q}", f"Is {q} good?", f"Yes, {m}.", m, "eng") for m in ("o/ada", "o/bob") for q in range(4)]
    return build_map(records, np.random.default_rng(0).normal(size=(8, 4)))


def scripts_of(page: str) -> list[tuple[str, str]]:
    return re.findall(r"<script([^>]*)>(.*?)</script>", page, flags=re.DOTALL)


def test_nothing_from_the_corpus_is_markup(hostile_page):
    page = hostile_page.read_text(encoding="utf-8")
    markup = re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.DOTALL)
    assert set(re.findall(r"<[^\s>]*", markup)) == set(re.findall(r"<[^\s>{]*", PAGE)) - {"<script", "</script"}
    kinds = [' type="application/json" id="figure"', ' type="application/json" id="data"', "", ""]
    assert [attributes for attributes, _ in scripts_of(page)] == kinds
    assert f"<h1>{html.escape(ATTACKS[1])}</h1>" in page


def test_the_data_hold_no_tag_but_line_breaks_and_bold_names(hostile_page, hostile_map):
    data = scripts_of(hostile_page.read_text(encoding="utf-8"))
    assert "<" not in data[0][1] + data[1][1]
    traces = json.loads(data[0][1])["data"] + json.loads(map_plot(hostile_map).to_json())["data"]
    shown = [
        text
        for trace in traces
        for text in [*trace.get("hovertext", []), *trace.get("text", []), trace.get("name", "")]
    ]
    assert len(shown) > len(hostile_map.points)
    for text in shown:
        assert set(re.findall("<[^>]*>?", text)) <= {"<b>", "</b>", "<br>"}
    assert not any("template" in key for trace in traces for key in trace)
    # Escaped once, not twice: the reader sees what was answered.
    hover = [html.unescape(re.sub("<[^>]*>", " ", text)) for trace in traces for text in trace.get("hovertext", [])]
    assert sum(ATTACKS[6] in text for text in hover) >= 10


def test_the_script_of_the_page_makes_no_markup():
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", SCRIPT)


def test_only_the_scripts_of_the_page_may_run(hostile_page):
    page = hostile_page.read_text(encoding="utf-8")
    policy = re.search('Content-Security-Policy" content="([^"]*)"', page)[1]
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for attributes, script in scripts_of(page)
        if not attributes
    ]
    assert f"script-src {' '.join(hashes)};" in policy
    assert policy.startswith("default-src 'none';")


def test_the_page_loads_and_sends_nothing(hostile_page):
    page = hostile_page.read_text(encoding="utf-8")
    assert not re.search(r"<[^>]*\s(src|href|action)\s*=", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    # plotly's toolbar has a button that uploads the data, unless it is switched off.
    assert "showSendToCloud: false" in scripts_of(page)[3][1]


def test_the_page_tells_what_is_drawn(plain_map, tmp_path):
    path = tmp_path / "map.html"
    write_map_html(plain_map, path, title="Two models & more")
    page = path.read_text(encoding="utf-8")
    assert "<title>Two models &amp; more</title>" in page
    assert html.escape(caption(plain_map)) in page
    assert CAVEAT in page
    data = json.loads(scripts_of(page)[1][1])
    assert [one["name"] for one in data["identities"]] == ["ada", "bob"]
    assert data["identities"][1]["profile"].startswith("n = 4 QAs to 4 questions; its mean lies ")
    assert len(data["identities"][1]["telling"]) == 3
    assert sorted(data["answer"]) == ["Yes, o/ada."] * 4 + ["Yes, o/bob."] * 4
    assert [data["questions"][number] for number in data["question"]] == list(plain_map.questions)
    assert [data["identities"][number]["full"] for number in data["who"]] == [
        str(plain_map.identities[number]) for number in plain_map.identity_index
    ]
    titles = [f"Typical of the {end}" for end in ("left", "right", "bottom", "top")]
    assert [end["title"] for end in data["ends"]] == titles
    assert 4.5e6 < path.stat().st_size < 6e6


def test_every_qa_can_be_read(plain_map):
    traces = map_plot(plain_map).data
    dots = [text for trace in traces if trace.meta == "dots" for text in trace.hovertext]
    assert sorted(dots) == [
        f"<b>o/{m} (eng)</b><br>Q: Is {q} good?<br>A: Yes, o/{m}." for m in ("ada", "bob") for q in range(4)
    ]
    means = [trace for trace in traces if trace.mode == "markers+text"]
    assert [(mean.name, mean.text[0]) for mean in means] == [("ada (n = 4)", "ada"), ("bob (n = 4)", "bob")]
    assert means[0].hovertext[0] == "<b>o/ada (eng)</b><br>mean of 4 QAs to 4 questions"
    assert [mean.x[0] for mean in means] == plain_map.centroids[:, 0].tolist()


def test_languages_have_lines_around_where_they_lie():
    # English on a ring around French: of each, the line at a half holds half of the 400.
    turns = np.linspace(0, 2 * np.pi, 400)
    ring = 5 * np.column_stack([np.cos(turns), np.sin(turns)])
    spot = np.random.default_rng(0).normal(size=(400, 2))
    records = [QARecord(f"{lang}{q}", f"{lang} {q}?", "Yes.", "m", lang) for lang in ("eng", "fra") for q in range(400)]
    figure = map_plot(build_map(records, np.concatenate([ring, spot]), centre_questions=False))
    lines = {trace.name: trace for trace in figure.data if trace.meta == "density"}
    assert set(lines) == {"eng", "fra"}
    x, y = np.meshgrid(lines["eng"].x, lines["eng"].y)
    radius = np.hypot(x, y)
    assert lines["eng"].z[radius < 2].min() > 0.9  # the middle of the ring is outside both of its lines
    assert lines["fra"].z[radius < 0.8].max() < 0.5
    assert not [trace for trace in map_plot(build_map(records[:400], ring)).data if trace.meta == "density"]


def test_a_long_answer_is_cut():
    records = [QARecord(f"{q}", "Why?", "because " * 1000, "m", "eng") for q in range(3)]
    traces = map_plot(build_map(records, np.eye(3))).data
    assert all(text.endswith("…") and len(text) < 500 for text in traces[0].hovertext)


def test_the_same_map_is_the_same_page(plain_map, tmp_path):
    write_map_html(plain_map, tmp_path / "a.html")
    write_map_html(plain_map, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_what_is_no_map_or_no_page_is_refused_with_what_to_give(plain_map, tmp_path):
    with pytest.raises(TypeError, match=r"\[1, 2\] is no value map; make one with univar.analysis.map.reading"):
        write_map_html([1, 2], tmp_path / "map.html")
    with pytest.raises(TypeError, match="the title of a map is a text, got 3"):
        write_map_html(plain_map, tmp_path / "map.html", title=3)
    with pytest.raises(ValueError, match=r"cannot write a page as 'map\.png'; use a name that ends in \.html"):
        write_map_html(plain_map, tmp_path / "map.png")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_page_leaves_the_old_one(plain_map, tmp_path, monkeypatch):
    path = tmp_path / "map.html"
    path.write_text("old")

    def full(target, *_arguments, **_options):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="disk full"):
        write_map_html(plain_map, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
@pytest.mark.parametrize("policy", ["as written", "policy removed"])
def test_a_browser_draws_the_page_and_runs_no_attack(hostile_page, hostile_map, tmp_path, policy):
    page = hostile_page.read_text(encoding="utf-8")
    if policy == "policy removed":
        # Escaping must do without it.
        page, removed = re.subn('<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
        assert removed == 1
    (tmp_path / "map.html").write_text(page, encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"]
    drawn = subprocess.run([*command, f"file://{tmp_path / 'map.html'}"], capture_output=True, timeout=120, check=True)
    dom = drawn.stdout.decode("utf-8")
    assert f"<title>{html.escape(ATTACKS[1], quote=False)}</title>" in dom
    assert len(re.findall('<g class="trace scatter', dom)) == 2 * len(hostile_map.identities)
    assert "<img" not in dom
    assert len(re.findall("<script", dom)) == 4
    # The page's own script ran to its end: it listed what is shown.
    listed = len(hostile_map.points) - outside(hostile_map, *frame(hostile_map))
    assert f"{listed} QAs shown" in dom
    assert dom.count("<tr>") == listed + 1
