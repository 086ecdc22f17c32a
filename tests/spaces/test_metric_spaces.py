"""The Spaces of the metrics: their copies are the package's files, their cards the docstrings."""

import pytest

from tests.spaces.metric_space import METRIC_SPACES, MetricSpace


@pytest.mark.parametrize(
    ("space", "name"), [(space, name) for space in METRIC_SPACES for name in sorted(space.expected_files())]
)
def test_the_space_holds_what_the_package_holds(space: MetricSpace, name: str) -> None:
    held = (space.folder / name).read_bytes()
    assert held == space.expected_files()[name].encode("utf-8"), "run make metric-space"


@pytest.mark.parametrize("space", METRIC_SPACES, ids=lambda space: space.name)
def test_the_card_has_evaluates_sections_in_order(space: MetricSpace) -> None:
    headings = [line.strip("# ") for line in space.card().splitlines() if line.startswith("##")]
    assert headings == [
        "Metric description",
        "How to use",
        "Inputs",
        "Output values",
        "Values from popular papers",
        "Examples",
        "Limitations and bias",
        "Citation",
        "Further references",
    ]


@pytest.mark.parametrize("space", METRIC_SPACES, ids=lambda space: space.name)
def test_the_space_never_advises_to_install_the_unrelated_package(space: MetricSpace) -> None:
    for file in space.folder.iterdir():
        if file.is_file():
            assert "pip install" not in file.read_text(encoding="utf-8")
    requirements = (space.folder / "requirements.txt").read_text(encoding="utf-8").split()
    assert not [line for line in requirements if line.startswith("univar")]
