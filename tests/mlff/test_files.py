"""Model files come back bit for bit or not at all; training files are read with their labels."""
from __future__ import annotations

import json

import numpy as np
import pytest
from ase.io import write

from solvers.core.errors import ReadError, SetupError
from solvers.mlff import MLFF, labelled, modelfile, read_labelled
from solvers.mlff.data import hold_out, labels_of


def test_round_trip(copper_fit, copper_test, tmp_path):
    content = copper_fit.files["model.qff"]
    model = modelfile.from_bytes(content)
    modelfile.save(model, tmp_path / "m.qff")
    assert (tmp_path / "m.qff").read_bytes() == content
    again = MLFF(tmp_path / "m.qff")
    assert np.array_equal(again.get_property("forces", copper_test[0]), MLFF(content).get_property("forces", copper_test[0]))
    assert again.model.info["params"]["preset"] == "fast" and again.model.basis == model.basis


def test_every_altered_byte_is_noticed(copper_fit):
    content = copper_fit.files["model.qff"]
    rng = np.random.default_rng(0)
    places = np.concatenate([np.arange(8), rng.integers(8, 1200, 60), rng.integers(0, len(content), 60)])
    for place in places:
        altered = bytearray(content)
        altered[place] ^= int(rng.integers(1, 256))
        try:
            model = modelfile.from_bytes(bytes(altered))
        except ReadError as error:
            assert error.hint
        else:  # padding of the header may differ, nothing else
            assert modelfile.to_bytes(model) == content


@pytest.mark.parametrize("content", [b"", b"short", b"\x80\x04cposix\nsystem\n", b"\xff" * 4096, (2**62).to_bytes(8, "little") + b"{}",
                                     (2).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]", (60_000).to_bytes(8, "little") + b"[" * 60_000])
def test_hostile_files_are_refused_in_words(content, tmp_path):
    path = tmp_path / "bad.qff"
    path.write_bytes(content)
    with pytest.raises(ReadError, match="bad.qff"):
        MLFF(path)


def test_truncated_and_missing_files(copper_fit, tmp_path):
    content = copper_fit.files["model.qff"]
    for length in (9, 300, len(content) // 2, len(content) - 1):
        with pytest.raises(ReadError):
            modelfile.from_bytes(content[:length])
    with pytest.raises(ReadError, match="cannot be read"):
        MLFF(tmp_path / "nothing.qff")
    with pytest.raises(ReadError, match="cannot be read"):
        MLFF(tmp_path)


@pytest.mark.parametrize("change, message", [
    ({"version": 99}, "version 99"), ({"basis": {"degree": 40}}, "no possible model"),
    ({"basis": {"species": list(range(1, 100))}}, "no possible model"),
    ({"basis": {"n_angular": 10**9}}, "no possible model"),
    ({"format": "other"}, "not a force field"), ({"posterior": {"force_scale": -1.0}}, "no possible model")])
def test_correctly_signed_nonsense_is_refused(copper_fit, change, message):
    from safetensors.numpy import load, save
    content = copper_fit.files["model.qff"]
    size = int.from_bytes(content[:8], "little")
    description = json.loads(json.loads(content[8:8 + size])["__metadata__"]["qcad"])["model"]
    for name, value in change.items():
        description[name] = {**description[name], **value} if isinstance(value, dict) else value
    tensors = load(content)
    with pytest.raises(ReadError, match=message):
        modelfile.from_bytes(save(tensors, {"qcad": modelfile.signed(description, tensors)}))


def test_extxyz_with_labels_is_read(copper_frames, tmp_path):
    write(tmp_path / "train.extxyz", copper_frames[:3])
    frames = read_labelled(tmp_path / "train.extxyz")
    assert len(frames) == 3
    for frame, atoms in zip(frames, copper_frames, strict=False):
        labels = labels_of(frame)
        assert labels.energy == pytest.approx(atoms.get_potential_energy(force_consistent=True), abs=1e-7)
        assert labels.forces == pytest.approx(atoms.get_forces(), abs=1e-7) and labels.stress == pytest.approx(atoms.get_stress(voigt=False), abs=1e-7)
    bare = copper_frames[0].copy()
    write(tmp_path / "bare.extxyz", [copper_frames[0], bare])
    with pytest.raises(ReadError, match="bare.extxyz, frame 1.*no energy"):
        read_labelled(tmp_path / "bare.extxyz")


def test_labels_under_other_names(copper_frames):
    atoms = copper_frames[0].copy()
    atoms.info |= {"energy": -1.0, "REF_energy": -2.0, "virial": -copper_frames[0].get_stress(voigt=False) * atoms.get_volume()}
    atoms.arrays["REF_forces"] = copper_frames[0].get_forces()
    labels = labels_of(labelled(atoms))
    assert labels.energy == -2.0 and labels.forces == pytest.approx(copper_frames[0].get_forces())
    assert labels.stress == pytest.approx(copper_frames[0].get_stress(voigt=False))
    atoms.arrays["REF_forces"] = np.full((len(atoms), 3), np.nan)
    with pytest.raises(SetupError, match="forces has shape .* and is not finite"):
        labelled(atoms)


def test_hold_out_takes_whole_blocks():
    train, test = hold_out(list(range(500)))
    assert len(test) == 50 and sorted(train + test) == list(range(500))
    assert test[:10] == list(range(90, 100))
