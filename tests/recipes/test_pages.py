"""What the pages of docs/ have in common."""

import jinja2
import pytest

from recipes.pages import filled, spread


def test_a_template_is_filled_with_its_parts():
    text = filled("style.md", values="| five |", control="| six & seven |")
    assert "|\n| five |\n\n## Answers that hold no values" in text
    assert text.endswith("|\n| six & seven |\n")


def test_a_part_that_is_not_given_is_named():
    with pytest.raises(jinja2.UndefinedError, match="'control' is undefined"):
        filled("style.md", values="| five |")


def test_one_value_has_no_deviation():
    assert spread([61.04]) == "61.0"
    # The mean of 1 and 3 is 2, their standard deviation the root of (1 + 1) / (2 - 1).
    assert spread([1, 3]) == "2.0 ± 1.4"
