"""Every exporter of ours keeps the contract."""
from __future__ import annotations

import importlib

import numpy as np
import pytest

from solvers.continuum import Material
from solvers.core import registry
from solvers.testing import ContractError, check_exporter

EXPORTERS = [row.name for row in registry.plugins("exporter") if row.state == "on"]


def cubic():
    c = np.diag([165.7, 165.7, 165.7, 79.6, 79.6, 79.6])
    c[:3, :3] += 63.9 * (1 - np.eye(3))
    return Material(stiffness=c * 1e9, density=2329.0, name="silicon")


@pytest.mark.parametrize("name", EXPORTERS)
def test_contract(name):
    plugin = registry.get("exporter", name)
    module = importlib.import_module(plugin.path.partition(":")[0])
    done = check_exporter(plugin.load(), cubic(), read_back=module.read_back, longest_field=19)
    assert len(done) == 7


def test_there_are_exporters():
    assert {"calculix", "abaqus"} <= set(EXPORTERS)


def test_a_silent_exporter_is_caught():
    def export(material, path, *, units="SI", orientation=None, name=None):
        path.write_text("*ELASTIC\n")
        return "*ELASTIC\n"

    with pytest.raises(ContractError, match="says its unit system"):
        check_exporter(export, cubic())
