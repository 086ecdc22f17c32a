from collections import Counter

import pytest
from PIL import Image

from univar.analysis.pictures.corpus_figure import draw_counts
from univar.corpus.building import IdentityCounts
from univar.corpus.records import Identity

COUNTS = {
    Identity(f"model-{n}", "eng"): IdentityCounts(100, 60 + n, 600, Counter({"refusal": 40 - n, "cut off": 90}))
    for n in range(3)
}


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_is_written(tmp_path, suffix):
    draw_counts(COUNTS, tmp_path / f"stats{suffix}")
    assert (tmp_path / f"stats{suffix}").stat().st_size > 5_000


def test_it_grows_with_the_identities(tmp_path):
    draw_counts(COUNTS, tmp_path / "few.png")
    draw_counts({Identity(f"m{n}", "fra"): IdentityCounts(1, 1, 9) for n in range(40)}, tmp_path / "many.png")
    few, many = (Image.open(tmp_path / f"{name}.png").size for name in ("few", "many"))
    assert many[1] > few[1] + 1000


def test_names_are_text_and_no_formulas(tmp_path):
    name = "$\\frac$ <b>"  # as a formula it could not be drawn, and as markup it would be gone
    draw_counts({Identity(name, "eng"): IdentityCounts(2, 1, 9)}, tmp_path / "stats.svg")
    assert "<!-- $\\frac$ &lt;b&gt; (eng), n = 2 -->" in (tmp_path / "stats.svg").read_text()


def test_nothing_is_not_drawn(tmp_path):
    with pytest.raises(ValueError, match="no answers to draw"):
        draw_counts({}, tmp_path / "stats.png")
