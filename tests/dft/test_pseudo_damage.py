"""Damaged potential files end in a sentence or in a sound potential, soon and without much memory."""
from __future__ import annotations

import pytest

from solvers.validate import damage
from solvers.validate.damaged_inputs import readers

SAMPLES = damage.samples()
READERS = readers()


@pytest.mark.parametrize("kind", READERS)
def test_damage_to_our_own_files_ends_in_a_sentence(kind):
    data, reader = READERS[kind]
    assert reader(data) == ""
    before = damage._memory()
    found = [damage._own(reader, mutated) for mutated in damage.mutations(data, damage.QUICK)]
    assert [item.text for item in found if item.state == "fault"] == []
    assert max(item.seconds for item in found) < damage.SECONDS and damage._memory() - before < damage.MEMORY
    assert [item.state for item in found].count("refused") > damage.QUICK / 4


@pytest.mark.parametrize("kind", SAMPLES)
def test_damage_ends_in_a_sentence(kind):
    name, data = SAMPLES[kind]
    assert damage.outcome(data, name).state == "read"
    before = damage._memory()
    found = [damage.outcome(mutated, name) for mutated in damage.mutations(data, damage.QUICK)]
    assert [item.text for item in found if item.state == "fault"] == []
    assert max(item.seconds for item in found) < damage.SECONDS and damage._memory() - before < damage.MEMORY
    states = [item.state for item in found]
    assert states.count("refused") > damage.QUICK / 4 and len({item.text for item in found}) > 8  # many kinds of damage were met


def test_damage_is_the_same_every_time():
    data = SAMPLES["pspcod 3"][1]
    assert list(damage.mutations(data, 20)) == list(damage.mutations(data, 20)) != list(damage.mutations(data, 20, seed=1))


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("blank", [b" ", b"\n", b"\t"])
def test_a_million_blanks_cost_no_time(kind, blank):
    """Every place between two lines of the head: what looks for the word after a gap must not try every blank of it."""
    name, data = SAMPLES[kind]
    lines = data.split(b"\n")
    for row in range(0, min(len(lines), 24), 3):
        found = damage.outcome(b"\n".join([*lines[:row], lines[row] + blank * 1_000_000, *lines[row + 1:]]), name)
        assert found.state == "refused" and "blanks in a row" in found.text and found.seconds < 1.0
