"""Sealed files: absent or complete, whichever call fails."""
from __future__ import annotations

import errno
import os

import h5py
import numpy as np
import pytest

from solvers.core import sealed
from solvers.core.errors import ReadError, StorageError
from solvers.core.sealed import Disk, canonical_hash, seal, sweep, unseal, write_file

ARRAYS = {"x": np.arange(12.0).reshape(3, 4), "flag": np.array([True, False]), "words": np.array(["Si", "Ångström"]), "z": np.array(1 + 2j),
          "none": np.zeros((0, 3)), "a/b": np.float32(2.5)}


def equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == np.asarray(value).dtype


def test_round_trip(tmp_path):
    path = tmp_path / "Ünï cödé 実験.h5"
    digest = seal(path, ARRAYS, {"n": 3, "name": "é", "list": [1, None]})
    arrays, meta = unseal(path)
    equal(arrays, ARRAYS)
    assert meta == {"n": 3, "name": "é", "list": [1, None]} and len(digest) == 64
    assert unseal(path, only=["x"])[0].keys() == {"x"}
    assert os.listdir(tmp_path) == [path.name]


def test_the_hash_is_of_content():
    assert canonical_hash({"x": np.array([1.0, 2.0])}) == canonical_hash({"x": np.array([1.0, 2.0], ">f8")})
    for other in ({"y": np.array([1.0, 2.0])}, {"x": np.array([1.0, 2.5])}, {"x": np.array([[1.0, 2.0]])}, {"x": np.array([1, 2])}):
        assert canonical_hash(other) != canonical_hash({"x": np.array([1.0, 2.0])})


class Failing(Disk):
    """Fails at call number `at`, once or for ever, possibly after half of a write."""

    def __init__(self, at, code=errno.ENOSPC, forever=False, half=False):
        self.at, self.code, self.forever, self.half, self.calls = at, code, forever, half, 0

    def _count(self):
        self.calls += 1
        if self.calls == self.at or (self.forever and self.calls > self.at):
            raise OSError(self.code, os.strerror(self.code))

    def write(self, path, data):
        try:
            self._count()
        except OSError:
            if self.half:
                path.write_bytes(data[:len(data) // 2])
            raise
        super().write(path, data)

    def rename(self, source, target):
        self._count()
        super().rename(source, target)

    def sync_folder(self, folder):
        self._count()
        super().sync_folder(folder)

    def append(self, handle, data):
        try:
            self._count()
        except OSError:
            if self.half:
                os.write(handle, data[:len(data) // 2])
            raise
        super().append(handle, data)

    def sync(self, handle):
        self._count()
        super().sync(handle)


@pytest.mark.parametrize("code, words", [(errno.ENOSPC, "the disk is full"), (errno.EIO, "Input/output error"), (errno.EROFS, "read-only")])
@pytest.mark.parametrize("half", [False, True])
def test_every_call_may_fail(tmp_path, monkeypatch, code, words, half):
    """At whichever call the disk fails, the file is the old or the new one, whole."""
    path = tmp_path / "x.h5"
    seal(path, {"x": np.zeros(3)})
    for at in (1, 2, 3):
        monkeypatch.setattr(sealed, "disk", Failing(at, code, half=half))
        with pytest.raises(StorageError, match=words) as caught:
            seal(path, {"x": np.full(3, float(at))})
        assert str(path) in str(caught.value) and caught.value.errno == code
        assert float(unseal(path)[0]["x"][0]) in (at - 1.0, 0.0, float(at))
        assert [item for item in os.listdir(tmp_path) if item != "x.h5"] == []
    monkeypatch.setattr(sealed, "disk", Disk())
    seal(path, {"x": np.full(3, 9.0)})
    assert unseal(path)[0]["x"][0] == 9.0


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "x.h5"
    seal(path, {"x": np.arange(40.0), "y": np.arange(7)}, {"n": 1})
    whole = path.read_bytes()
    good = unseal(path)
    rng = np.random.default_rng(0)
    noticed = 0
    for _ in range(300):
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        try:
            arrays, meta = unseal(path)
        except ReadError:
            noticed += 1
        else:
            equal(arrays, good[0])
            assert meta == good[1]
    for cut in range(0, len(whole), 64):
        path.write_bytes(whole[:cut])
        with pytest.raises(ReadError):
            unseal(path)
    assert noticed > 50


def test_files_that_reach_out_are_refused(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("TOPSECRET")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["k"] = np.arange(3)

    def make(build):
        path = tmp_path / "evil.h5"
        with h5py.File(path, "w") as file:
            build(file)
        return path

    def external(file):
        file.create_dataset("leak", shape=(9,), dtype="u1", external=[(str(secret), 0, 9)])

    def virtual(file):
        layout = h5py.VirtualLayout(shape=(3,), dtype="i8")
        layout[:] = h5py.VirtualSource(str(other), "k", shape=(3,))
        file.create_virtual_dataset("vds", layout)

    def bomb(file):
        file.create_dataset("bomb", shape=(2**40,), dtype="f8", chunks=(2**20,), compression="gzip", fillvalue=0)

    def group(file):
        file.create_group("g")

    def link(file):
        file["ext"] = h5py.ExternalLink(str(other), "k")

    def soft(file):
        file["x"] = np.arange(3)
        file["soft"] = h5py.SoftLink("/x")

    for build, words in ((external, "not a plain array"), (virtual, "not a plain array"), (bomb, "compressed"), (group, "link or a group"),
                         (link, "link or a group"), (soft, "link or a group")):
        with pytest.raises(ReadError, match=words):
            unseal(make(build))


def test_objects_cannot_be_stored(tmp_path):
    with pytest.raises(TypeError, match="cannot be stored"):
        seal(tmp_path / "x.h5", {"x": np.array([object()])})
    assert not os.listdir(tmp_path)


def test_sweep_takes_old_leftovers_only(tmp_path):
    old, new = tmp_path / ".x.h5.1.tmp", tmp_path / ".y.h5.2.tmp"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    assert sweep(tmp_path) == 1 and not old.exists() and new.exists()


def test_write_file_says_what_and_where(tmp_path):
    with pytest.raises(StorageError, match=r"Cannot write .*missing.x\.bin \(3\.0 MB\)"):
        write_file(tmp_path / "missing" / "x.bin", bytes(3 * 2**20))
