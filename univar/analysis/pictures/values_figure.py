"""What identities stand for: bars with intervals for one of them, for several a heat map."""

import html
from collections.abc import Iterator

import plotly.graph_objects as go

from univar.analysis.names import printable, short_names, shortened
from univar.analysis.values.profile import Level, Profile, Reading, members
from univar.analysis.values.results import ValueProfiles

_FOR, _AGAINST, _UNSURE = "#0072b2", "#d55e00", "#b0b0b0"
"""Told apart by people with any colour vision, on white and on black (Okabe & Ito 2008)."""


_NAMES = 165
"""Pixels for slanted names of identities, the colours above them, and the buttons of plotly above those."""


def values_plot(found: ValueProfiles) -> go.Figure:
    """The readings of the level that is shown; what is not readable is left out of bars, and empty in the heat map."""
    return profile_plot(found.profiles[0], found.by) if len(found.profiles) == 1 else heat_map(found)


def profile_plot(profile: Profile, level: Level = "value") -> go.Figure:
    """One identity: a bar a reading, the strongest for on top, with its interval; grey where it may be none."""
    readings = profile.readable(level)
    figure = go.Figure(layout=_layout(height=110 + 24 * max(len(readings), 1)))
    for colour, shown in (
        (_FOR, [one for one in readings if one.differs and _stance(one) > 0]),
        (_AGAINST, [one for one in readings if one.differs and _stance(one) <= 0]),
        (_UNSURE, [one for one in readings if not one.differs]),
    ):
        if shown:
            figure.add_trace(_bars(colour, shown))
    order = [one.title for one in readings]
    figure.update_yaxes(categoryorder="array", categoryarray=[_label(title) for title in order], autorange="reversed")
    reach = max([1.0, *(abs(end) for one in readings for end in one.interval or ())])
    name = _escaped(shortened(printable(str(profile.identity)), 20))
    title = f"against ← 0 → for<br>grey: may be none<br>{name}"
    figure.update_xaxes(title=title, range=[-1.05 * reach, 1.05 * reach], zeroline=True, zerolinecolor="#808080")
    return figure


def heat_map(found: ValueProfiles) -> go.Figure:
    """Identities by readings; values stand by the family that they are mainly of, whose name stands above them."""
    rows = list(_rows(found))
    readings = [{one.name: one for one in profile.readings[found.by]} for profile in found.profiles]
    names = short_names([profile.identity for profile in found.profiles])
    height = _NAMES + 20 + 20 * len(rows)
    figure = go.Figure(layout=_layout(height))
    table = [[of.get(name) if name else None for of in readings] for name, _ in rows]
    figure.add_heatmap(
        z=[[None if one is None else one.stance for one in row] for row in table],
        x=list(range(len(names))),
        y=list(range(len(rows))),
        # Colours end at the poles; what lies beyond has the colour of its pole, and its number where one points at it.
        zmin=-1,
        zmax=1,
        colorscale="RdBu",
        colorbar={
            "orientation": "h",
            "y": 1 - 34 / height,
            "yref": "container",
            "yanchor": "top",
            "thickness": 10,
            "tickvals": [-1, 0, 1],
            "ticktext": ["against", "none", "for"],
        },
        hoverinfo="text",
        hovertext=[[_hover(one, name) for one, name in zip(row, names, strict=True)] for row in table],
    )
    # What may be none is veiled, as bars of it are grey.
    figure.add_heatmap(
        z=[
            [1 if one is not None and one.stance is not None and not one.differs else None for one in row]
            for row in table
        ],
        x=list(range(len(names))),
        y=list(range(len(rows))),
        colorscale=[[0, _UNSURE], [1, _UNSURE]],
        opacity=0.75,
        showscale=False,
        hoverinfo="skip",
    )
    figure.update_xaxes(title={"text": "veiled in grey: may be none", "standoff": 4})
    # Names stand on top, where reading begins, and the colours above them.
    figure.update_layout(margin={"t": _NAMES, "r": 70})
    figure.update_xaxes(
        side="top",
        tickvals=list(range(len(names))),
        ticktext=[_escaped(shortened(name, 20)) for name in names],
        tickangle=-40,
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[_label(title) if name else f"<b>{_label(title)}</b>" for name, title in rows],
        autorange="reversed",
    )
    return figure


def _rows(found: ValueProfiles) -> Iterator[tuple[str, str]]:
    """The id and the title of each reading that any identity has; headings have no id."""
    asked = {one.name: one.title for profile in found.profiles for one in profile.readings[found.by]}
    if found.by != "value":
        yield from asked.items()
        return
    left = dict(asked)
    for _, family, values in members("family"):
        own = [name for name in values if name in left]
        if own:
            yield "", family
            yield from ((name, left.pop(name)) for name in own)


def _bars(colour: str, shown: list[Reading]) -> go.Bar:
    ends = [one.interval or (_stance(one), _stance(one)) for one in shown]
    return go.Bar(
        x=[_stance(one) for one in shown],
        y=[_label(one.title) for one in shown],
        orientation="h",
        marker={"color": colour},
        error_x={
            "array": [high - _stance(one) for one, (_, high) in zip(shown, ends, strict=True)],
            "arrayminus": [_stance(one) - low for one, (low, _) in zip(shown, ends, strict=True)],
            "color": "#808080",
            "thickness": 1.5,
            "width": 4,
        },
        hoverinfo="text",
        hovertext=[_hover(one, "") for one in shown],
    )


def _hover(one: Reading | None, identity: str) -> str:
    if one is None:
        return ""
    whose = f"{identity}, {one.title}" if identity else one.title
    if one.stance is None or one.interval is None:
        return _escaped(f"{whose}: {one.why}")
    ends = f"95 % interval {one.interval.low:+.2f} to {one.interval.high:+.2f}"
    return _escaped(f"{whose}: {one.stance:+.2f} ({ends}, n = {one.n:,} answers to {one.questions:,} questions)")


def _stance(one: Reading) -> float:
    return one.stance or 0.0


def _label(title: str) -> str:
    """A title as narrow as a phone asks for; those of values stay apart."""
    return _escaped(shortened(title, 28))


def _escaped(text: str) -> str:
    """Text for plotly, which understands tags; names are other people's."""
    return html.escape(printable(text), quote=False)


def _layout(height: int) -> go.Layout:
    return go.Layout(
        template="simple_white",
        height=height,
        xaxis={"automargin": True, "title": {"font": {"size": 12}}},
        yaxis={"automargin": True},
        bargap=0.25,
        showlegend=False,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        dragmode=False,
    )
