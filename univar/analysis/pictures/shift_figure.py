"""How far answers moved, beside answers to control questions, and which values moved between their poles."""

import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from univar.analysis.names import printable, shortened
from univar.analysis.results import p_words, with_interval
from univar.analysis.shift.moved_values import ValueShift
from univar.analysis.shift.paired import Movement
from univar.analysis.shift.results import Shifted, Shifts, shown_values
from univar.analysis.statistics import Interval

_COLOUR, _CONTROL = "#0072b2", "#999999"
"""Told apart by people with any colour vision (Okabe & Ito 2008)."""
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000")
_MOST_VALUES = 20


def shift_plot(shifts: Shifts) -> go.Figure:
    """Sizes with 95 % intervals, controls grey; beside them values by how far they moved, filled where Holm holds.

    Of several sets after, both are drawn over them in their order: the trajectory. What cannot be read is not drawn.
    """
    values = any(one.values for one in shifts.shifts)
    titles = ("size of the shift", "change of stance, -1 against to 1 for")
    figure = make_subplots(1, 1 + values, horizontal_spacing=0.18, subplot_titles=titles[: 1 + values])
    single = len(shifts.shifts) == 1
    _add_sizes(figure, shifts.shifts)
    if values:
        if single:
            _add_values(figure, shifts.shifts[0])
        else:
            _add_lines(figure, shifts.shifts)
    figure.update_yaxes(title=f"moved from {_escaped(shifts.before)}", rangemode="tozero", row=1, col=1)
    figure.update_layout(
        template="simple_white",
        height=max(420, 140 + 24 * len(shown_values(shifts.shifts[0], _MOST_VALUES)) if single else 420),
        legend={"orientation": "h", "y": -0.12},
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
    )
    return figure


def _add_sizes(figure: go.Figure, shifts: Sequence[Shifted]) -> None:
    """A mark a set after, and one for its controls."""
    kinds: list[tuple[str, str, list[tuple[str, Movement]]]] = [
        ("answers", _COLOUR, [(one.name, one.movement) for one in shifts]),
        ("control answers", _CONTROL, [(one.name, one.control) for one in shifts if one.control is not None]),
    ]
    for label, colour, found in kinds:
        if not found:
            continue
        figure.add_scatter(
            x=[_escaped(name) for name, _ in found],
            y=[one.size for _, one in found],
            mode="lines+markers" if len(found) > 1 else "markers",
            name=label,
            marker={"color": colour, "size": 11},
            line={"color": colour},
            error_y=_reach([(one.size, one.interval) for _, one in found], colour),
            hoverinfo="text",
            hovertext=[
                f"{_escaped(name)}, {label}: {with_interval(one.size, one.interval, '.2f')}, {p_words(one.p)}, "
                f"n = {one.questions:,} questions"
                for name, one in found
            ],
            row=1,
            col=1,
        )


def _add_values(figure: go.Figure, one: Shifted) -> None:
    """A bar for each of the surest values, the furthest towards its pole for at the top."""
    shown = sorted(shown_values(one, _MOST_VALUES)[: max(_MOST_VALUES, len(one.moved))], key=lambda value: value.change)
    colours = [_COLOUR if value.moved else "#ffffff" for value in shown]
    figure.add_bar(
        y=[_escaped(value.value) for value in shown],
        x=[value.change for value in shown],
        orientation="h",
        name="values (filled: moved beyond others, after Holm)",
        marker={"color": colours, "line": {"color": _COLOUR, "width": 1}},
        error_x=_reach([(value.change, value.interval) for value in shown], "#555555"),
        hoverinfo="text",
        hovertext=[_value_hover(one.name, value) for value in shown],
        row=1,
        col=2,
    )
    figure.update_yaxes(automargin=True, row=1, col=2)
    figure.add_vline(x=0, line={"color": "#555555", "dash": "dot", "width": 1.5}, row=1, col=2)


def _add_lines(figure: go.Figure, shifts: Sequence[Shifted]) -> None:
    """A line over the sets after for each value that moved in one of them, the furthest first."""
    furthest: dict[str, float] = {}
    for moved in (value for one in shifts for value in one.moved):
        furthest[moved.value] = max(furthest.get(moved.value, 0.0), abs(moved.change))
    names = sorted(furthest, key=lambda name: -furthest[name])[: len(_LINES)]
    for name, colour in zip(names, _LINES, strict=False):
        found = [(one.name, value) for one in shifts for value in one.values if value.value == name]
        figure.add_scatter(
            x=[_escaped(after) for after, _ in found],
            y=[value.change for _, value in found],
            mode="lines+markers",
            name=_escaped(name),
            marker={"color": colour},
            line={"color": colour},
            error_y=_reach([(value.change, value.interval) for _, value in found], colour),
            hoverinfo="text",
            hovertext=[_value_hover(after, value) for after, value in found],
            row=1,
            col=2,
        )
    figure.add_hline(y=0, line={"color": "#555555", "dash": "dot", "width": 1.5}, row=1, col=2)


def _reach(found: Sequence[tuple[float, Interval]], colour: str) -> dict[str, Any]:
    """The ends of intervals around what they belong to."""
    return {
        "type": "data",
        "array": [interval.high - estimate for estimate, interval in found],
        "arrayminus": [estimate - interval.low for estimate, interval in found],
        "color": colour,
    }


def _value_hover(name: str, value: ValueShift) -> str:
    change = with_interval(value.change, value.interval, "+.2f")
    further = with_interval(value.beyond, value.beyond_interval, "+.2f")
    return (
        f"{_escaped(name)}, {_escaped(value.value)}: {change}, beyond others {further}, {p_words(value.adjusted)} "
        f"(Holm), n = {value.questions:,} questions"
    )


def _escaped(text: str) -> str:
    """Text for plotly, which understands tags; names are other people's."""
    return html.escape(shortened(printable(text), 30), quote=False)
