import numpy as np
from matplotlib.image import imread

from univar.analysis.pictures.agreement_figure import draw_agreement

PAIRS = np.linspace(0, 1, 10)


def test_a_panel_is_drawn_for_each_representation_and_truth(tmp_path):
    names, truths = ("univar", "base"), ("stances", "style")
    draw_agreement(
        dict.fromkeys(names, PAIRS),
        dict.fromkeys(truths, PAIRS[::-1]),
        {(name, truth): "n = 10 pairs" for name in names for truth in truths},
        tmp_path / "distances.png",
    )
    height, width, _ = imread(tmp_path / "distances.png").shape
    assert (width, height) == (1176, 1008)  # 2 panels of 4.2 inches by 2 of 3.6, at 140 dots an inch


def test_the_same_distances_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw_agreement({"univar": PAIRS}, {"stances": PAIRS}, {("univar", "stances"): "rho 1"}, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
