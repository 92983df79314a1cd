"""The page's colours, seen as colour-blind people see them."""

from itertools import combinations

import numpy as np
import pytest

from lion.report.drawing import PALETTE

# Linear RGB as somebody without one kind of cone sees it (Machado, Oliveira and Fernandes 2009).
SIGHTS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
WHITE = [0.9505, 1.0, 1.089]
MARKS = ("accent", "hard", "easy", "seed", "other")  # stand beside each other in charts


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_marks_differ_for_everybody(sight: str, scheme: int) -> None:
    """By 15 in CIELAB; 2.3 is the least that an eye notices side by side."""
    seen = {name: _seen(PALETTE[name][scheme], SIGHTS[sight]) for name in MARKS}
    apart = {
        pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]]))
        for pair in combinations(MARKS, 2)
    }
    assert {pair: distance for pair, distance in apart.items() if distance < 15} == {}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_marks_stand_out_from_the_page(scheme: int) -> None:
    """WCAG: 3 to 1 for what is no text."""
    paper = _linear(PALETTE["paper"][scheme]) @ TO_XYZ[1]
    for name in MARKS:
        low, high = sorted((_linear(PALETTE[name][scheme]) @ TO_XYZ[1], paper))
        assert (high + 0.05) / (low + 0.05) >= 3, name


def _linear(colour: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """#rrggbb as light."""
    value = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _seen(colour: str, sight: list[list[float]]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The colour in CIELAB, through these eyes."""
    light = np.clip(np.array(sight) @ _linear(colour), 0, 1)
    x, y, z = np.cbrt(np.array(TO_XYZ) @ light / WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
