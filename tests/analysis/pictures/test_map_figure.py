"""Pictures of the value map: labels, formats, the same bytes."""

import re
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from univar.analysis.map.reading import build_map
from univar.analysis.map.results import CAVEAT
from univar.analysis.names import distinct_names
from univar.analysis.pictures.map_figure import (
    MARKERS,
    PALETTE,
    Look,
    draw_map,
    looks_of,
    map_figure,
    places_beside,
    places_in_columns,
)
from univar.corpus.records import QARecord


def map_of(m, *, apart, questions=6, langs=("eng",), name="org-{}/some-model-{}-instruct"):
    """A map of m models with means `apart` standard deviations of their answers."""
    rng = np.random.default_rng(0)
    records = [
        QARecord(f"{q}", f"Is {q} good?", f"Yes, {q}.", name.format(number % 5, number), lang, question_eng=f"q {q}")
        for number in range(m)
        for lang in langs
        for q in range(questions)
    ]
    values = rng.normal(size=(m * len(langs), 1, 12))
    vectors = apart * values + rng.normal(size=(m * len(langs), questions, 12))
    return build_map(records, vectors.reshape(-1, 12))


@pytest.fixture(scope="module")
def small_map():
    return map_of(3, apart=4)


# Labels


def overlapping_labels(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of identity labels whose boxes overlap as drawn; a label that leaves the figure is paired with ""."""
    labels = [text for text in figure.findobj(Text) if str(text.get_gid()).startswith("label-")]
    boxes = [(text.get_text(), text.get_window_extent()) for text in labels]
    clashes = [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)]
    whole = figure.bbox
    return clashes + [(name, "") for name, b in boxes if (b.min < whole.min).any() or (b.max > whole.max).any()]


@pytest.mark.parametrize("apart", [0, 1, 20], ids=["crowded", "touching", "apart"])
@pytest.mark.parametrize("m", [1, 2, 6, 37, 60, 128])
def test_no_label_overlaps_another(m, apart):
    value_map = map_of(m, apart=apart)
    figure = map_figure(value_map)
    assert overlapping_labels(figure) == []
    labels = [text.get_text() for text in figure.findobj(Text) if str(text.get_gid()).startswith("label-")]
    assert sorted(labels) == sorted(distinct_names(value_map.identities))


def test_long_names_in_many_languages_do_not_overlap():
    value_map = map_of(8, apart=2, langs=("eng", "fra", "zho", "arb", "swh"), name="org-{}/" + "W" * 60 + "-{}")
    assert overlapping_labels(map_figure(value_map)) == []


def test_overlaps_are_seen():
    figure = Figure(dpi=100)
    for number, (x, text) in enumerate([(0.5, "first"), (0.501, "second"), (0.1, "third"), (0.99, "beyond the edge")]):
        figure.text(x, 0.5, text, gid=f"label-{number}")
    figure.text(0.1, 0.5, "no label")
    assert overlapping_labels(figure) == [("first", "second"), ("beyond the edge", "")]


def test_a_label_stands_at_its_mark():
    # The right side is taken by the second mark: the first label goes to the left. The second has the right free.
    # Half the mark (5) + half the label (10) + 1 = 16 from the middle.
    marks = np.array([[100.0, 100, 110, 110], [115, 100, 125, 110]])
    places = places_beside(marks, np.full((2, 2), [20.0, 10]), np.array([0.0, 0, 200, 200]))
    assert places.tolist() == [[89, 105], [136, 105]]


def test_no_room_beside_the_marks():
    crowd = np.repeat([[100.0, 100, 110, 110]], 40, axis=0)
    assert places_beside(crowd, np.full((40, 2), [20.0, 10]), np.array([0.0, 0, 200, 200])) is None
    # One mark, and a frame in which the label fits nowhere.
    assert places_beside(crowd[:1], np.array([[20.0, 10]]), np.array([99.0, 99, 111, 111])) is None


@given(arrays(np.float64, (9, 2), elements=st.floats(1, 99, width=32), unique=True))
def test_lines_to_the_columns_do_not_cross(centres):
    places = places_in_columns(centres, np.array([0.0, 0, 100, 100]), 10)
    assert len({tuple(place) for place in places}) == 9
    assert set(places[:, 0]) <= {0, 100}
    for (a, b), (c, d) in combinations(zip(centres, places, strict=True), 2):
        sides = [
            np.sign((q - p)[0] * (r - p)[1] - (q - p)[1] * (r - p)[0])
            for p, q, r in ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
        ]
        assert not (sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0)


def test_columns_that_are_too_short():
    # Rows at 0, 10 and 20, on two sides: six places.
    with pytest.raises(ValueError, match="20 high holds 6 labels, not 7"):
        places_in_columns(np.ones((7, 2)), np.array([0.0, 0, 100, 20]), 10)


@pytest.mark.parametrize("apart", [0, 30], ids=["in columns", "beside"])
def test_names_are_not_read_as_mathematics(tmp_path, apart):
    value_map = map_of(6, apart=apart, langs=("eng", r"_$\frac{$"), name=r"_$\frac{{{1}$ {0}")
    draw_map(value_map, tmp_path / "map.png", title=r"$\frac{$")
    assert (tmp_path / "map.png").stat().st_size > 10_000


# Looks


def test_sixty_groups_look_different():
    looks = looks_of(map_of(60, apart=1, name="org-{1}/model"), "model")
    assert len({look[1:] for look in looks}) == 60 == len(PALETTE) * len(MARKERS)


@pytest.mark.parametrize("colour", PALETTE)
def test_labels_can_be_read(colour):
    # Contrast with white as WCAG 2.2 defines it; 4.5 is level AA.
    channels = np.array(to_rgb(Look("group", colour, "o").ink))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= 4.5


def test_identities_of_a_group_look_alike():
    looks = looks_of(map_of(3, apart=1, langs=("eng", "fra")), "auto")
    assert [look.group for look in looks] == ["eng", "fra"] * 3
    assert len(set(looks)) == 2


def test_the_figure_says_what_it_is_not_for(small_map):
    words = " ".join(" ".join(text.get_text().split()) for text in map_figure(small_map, title="T").findobj(Text))
    assert CAVEAT in words
    assert "18 QAs by 3 identities" in words


def test_dots_outside_the_frame_are_counted():
    records = [QARecord(f"{n}", f"{n}", "yes", "m", "eng") for n in range(200)]
    vectors = np.random.default_rng(0).normal(size=(200, 2))
    vectors[:2] *= 1000
    words = " ".join(text.get_text() for text in map_figure(build_map(records, vectors)).findobj(Text))
    assert "2 dots lie outside the frame." in " ".join(words.split())


# Files


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_the_suffix_is_the_format_and_the_bytes_are_the_same(small_map, tmp_path, suffix, start):
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    draw_map(small_map, first)
    # Neither a user's settings nor the time make a difference.
    with matplotlib.rc_context({"font.family": "serif", "savefig.dpi": 20, "axes.facecolor": "pink"}):
        draw_map(small_map, second)
    assert first.read_bytes().startswith(start)
    assert first.read_bytes() == second.read_bytes()
    assert not re.search(rb"dc:date|CreationDate|Matplotlib v", first.read_bytes())


def test_a_png_is_1400_pixels_wide(small_map, tmp_path):
    draw_map(small_map, tmp_path / "map.png")
    assert int.from_bytes((tmp_path / "map.png").read_bytes()[16:20]) == 1400


def test_drawing_leaves_the_settings_alone(small_map):
    before = dict(matplotlib.rcParams)
    map_figure(small_map)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["map.gif", "map", ".png"])
def test_another_suffix_is_an_error(small_map, tmp_path, name):
    with pytest.raises(ValueError, match=r"ends in \.png, \.svg or \.pdf"):
        draw_map(small_map, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_map_is_refused_with_what_to_give(small_map, tmp_path):
    with pytest.raises(TypeError, match=r"None is no value map; make one with univar\.analysis"):
        draw_map(None, tmp_path / "map.png")
    with pytest.raises(TypeError, match="the title of a map is a text, got 3"):
        draw_map(small_map, tmp_path / "map.png", title=3)


def test_a_failed_drawing_leaves_the_old_one(small_map, tmp_path, monkeypatch):
    path = tmp_path / "map.svg"
    path.write_text("old")

    def full(_figure, target, **_options):
        target.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="disk full"):
        draw_map(small_map, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
