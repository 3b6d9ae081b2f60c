"""Colours, radii and the style's own checks."""

from __future__ import annotations

import numpy as np
import pytest

from qcad_gui.scene import styles
from qcad_gui.scene.styles import Style


@pytest.mark.parametrize(
    "change, words",
    [
        ({"representation": "blob"}, "Allowed: ball and stick"),
        ({"repeat": (0, 1, 1)}, "Allowed: three whole numbers from 1 to 20"),
        ({"colour_map": "rainbow"}, "Allowed: viridis"),
        ({"labels": "x"}, "Allowed: labels"),
        ({"bond_reach": -1.0}, "Allowed: above 0"),
    ],
)
def test_impossible_styles_are_refused_with_what_is_allowed(change, words):
    with pytest.raises(ValueError, match=words):
        Style().but(**change)
    with pytest.raises(TypeError):
        Style().but(nonsense=1)


def test_every_element_has_a_radius_and_a_colour_in_every_representation():
    numbers = np.arange(119)
    for name in styles.REPRESENTATIONS:
        size = styles.radii(numbers, Style(representation=name))
        assert np.isfinite(size).all() and (size > 0.1).all() and (size < 4).all()
    assert styles.element_colours(numbers).shape == (119, 3)
    assert not styles.ELEMENT_COLOURS.flags.writeable


def test_space_filling_is_larger_than_balls_and_sticks_are_uniform():
    numbers = np.array([1, 6, 8, 14, 79])
    assert (styles.radii(numbers, Style(representation="space filling")) > 2 * styles.radii(numbers, Style())).all()
    assert np.ptp(styles.radii(numbers, Style(representation="sticks"))) == 0


@pytest.mark.parametrize("name", styles.COLOUR_MAPS)
def test_colour_maps(name):
    table = styles.lookup_table(name)
    assert table.shape == (256, 3) and len(np.unique(table, axis=0)) > 200
    ends = styles.map_colours(np.array([-5.0, 0.0, 1.0, 7.0, np.nan]), name, 0.0, 1.0)
    assert np.array_equal(ends[0], table[0]) and np.array_equal(ends[1], table[0]) and np.array_equal(ends[2], table[-1]) and np.array_equal(ends[3], table[-1])
    assert ends[4].tolist() == [128, 128, 128]


def test_viridis_grows_lighter_all_the_way():
    table = styles.lookup_table("viridis").astype(float)
    light = table @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > -1.0).all() and light[-1] - light[0] > 150


def test_ranges_are_never_of_zero_width():
    for values in (np.full(3, 2.0), np.zeros(2), np.array([np.nan, 1.0]), np.zeros(0)):
        low, high = styles.value_range(values)
        assert high > low
    assert styles.per_atom_value(np.array([[3.0, 4.0, 0.0]])) == pytest.approx([5.0])


def test_texts_the_scene_has_no_letters_for_become_symbols():
    assert styles.drawable("force, eV/Å", "|F|") == "force, eV/Å"
    assert styles.drawable("杨氏模量 / GPa", "E / GPa") == "E / GPa"


def test_a_sign_has_one_pair_of_colours():
    """Slices, surfaces and arrows: blue is positive, orange negative (CONVENTIONS.md)."""
    from qcad_gui.theme import DARK, LIGHT
    low, middle, high = styles.map_colours(np.array([-1.0, 0.0, 1.0]), "orange-blue", -1.0, 1.0).astype(int)
    assert low[0] > low[2] and high[2] > high[0] and np.ptp(middle) == 0
    for theme in (LIGHT, DARK):
        positive, negative = ([int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in (theme.positive, theme.negative))
        assert positive[2] > positive[0] and negative[0] > negative[2]
