"""What the pages of docs/ that are computed have in common, and the figure of what was tried."""

import jinja2
import pytest

from recipes.frontier import Point, draw_frontier, frontier_table
from recipes.pages import filled

POINTS = [Point("base", "untouched", 30.0, 55.9, 24.8, 18.7), Point("ours", "stances", 60.0, 67.0, 20.0, 18.0, True)]


def test_a_part_that_is_not_given_is_named():
    with pytest.raises(jinja2.UndefinedError, match="'values' is undefined"):
        filled("evidence.md", stances="| five |")


def test_the_ways_are_listed_with_how_they_were_made():
    assert frontier_table(POINTS).splitlines()[2] == "| base | 30.0 | 55.9 | 24.8 | 18.7 | untouched |"


def test_the_frontier_is_drawn(tmp_path):
    draw_frontier(POINTS, tmp_path / "frontier.png")
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")
