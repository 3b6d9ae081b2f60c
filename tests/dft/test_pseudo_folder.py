"""The user's folder of potentials: pinned by hash, selectable by name and by set; downloads that are cut, wrong or whole, from a server of our own."""
from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from solvers.core.errors import MissingError, ReadError, RunError, SetupError
from solvers.core.units import HARTREE_EV
from solvers.dft.params import DFTParams, Pseudos
from solvers.dft.pseudo import fetch, folder, library
from solvers.validate.peers.potential_files import on_mesh, psp8_text, upf2_text

SILICON = psp8_text(on_mesh(library.entry("Si", "PBE"))).encode()
CARBON = upf2_text(on_mesh(library.entry("C", "PBE"))).encode()
GERMANIUM = psp8_text(on_mesh(library.entry("Ge", "PBE"))).encode()


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("QCAD_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "data" / "pseudos"


def test_names_sets_and_choices():
    single = folder.add(SILICON, "Si-hard.psp8", licence="CC0", hint=21.0)
    assert (single.selector, single.licence, single.hint, single.charge) == ("Si-hard", "CC0", 21.0, 4.0)
    assert library.entry("Si", "PBE", "si-HARD") == single and library.cutoff_row(single).energy == pytest.approx(21 * HARTREE_EV)
    folder.add(SILICON, "Si.psp8", collection="mine", hint=20.0)
    folder.add(CARBON, "C.upf", collection="mine", hint=30.0)
    assert folder.sets() == ("mine",)
    chosen = Pseudos.coerce("MINE,Si=Si-hard")
    assert chosen.library == "mine" and str(chosen) == "mine,Si=Si-hard" and Pseudos.coerce(str(chosen)) == chosen
    assert library.entry("C", "PBE", chosen.selector("C")).selector == "mine" and library.entry("Si", "PBE", chosen.selector("Si")).hint == 21.0
    assert library.default_cutoff([library.entry(s, "PBE", chosen.selector(s)) for s in ("C", "Si")]) == pytest.approx(30 * HARTREE_EV)
    q = torch.linspace(0.5, 5, 9, dtype=torch.float64)
    assert torch.allclose(library.find("C", "PBE", "mine").local(q), library.find("C", "PBE").local(q), atol=1e-4)
    rows = library.choices("Si", "PBE", "mine")
    assert rows[0]["selector"] == "mine" and rows[0]["default"] and [row["default"] for row in library.choices("Si", "PBE")].count(True) == 1
    assert {row["selector"] for row in rows} == {"mine", "Si-hard", "GTH-PBE-q4", "GTH-PADE-q4"}
    assert "4 valence electrons, needs 571 eV" in next(row["hint"] for row in rows if row["selector"] == "Si-hard")
    with pytest.raises(MissingError, match="set 'mine' has no potential of O.*It has C, Si"):
        library.entry("O", "PBE", "mine")
    with pytest.raises(SetupError, match="Unknown potential library 'dojo'.*gth, mine"):
        DFTParams(pseudos="dojo")


def test_two_of_an_element_in_a_set_must_be_told_apart():
    folder.add(SILICON, "Si-a.psp8", collection="mine")
    folder.add(SILICON + b"\n", "Si-b.psp8", collection="mine")
    with pytest.raises(SetupError, match="holds 2 potentials of Si.*Si=mine:Si-a"):
        library.entry("Si", "PBE", "mine")
    assert library.entry("Si", "PBE", "mine:Si-b").name == "Si-b"
    folder.add(SILICON + b"\n\n", "Si.psp8", collection="mine")  # named like the element: that is the one
    assert library.entry("Si", "PBE", "mine").name == "Si"


def test_names_that_are_taken_or_not_allowed():
    folder.add(SILICON, "Si-x.psp8")
    assert folder.add(SILICON, "Si-x.psp8").selector == "Si-x" and len(folder.rows()) == 1  # the same again is no change
    for name, words in ((".. /x", "cannot be the name"), ("GTH-PBE-q4", "in the table that comes with"), ("gth", "cannot be the name")):
        with pytest.raises(SetupError, match=words):
            folder.add(SILICON, "Si.psp8", name=name)
    with pytest.raises(SetupError, match="another potential named 'Si-x'"):
        folder.add(SILICON + b"\n", "Si-x.psp8")
    with pytest.raises(SetupError, match="cannot be the set"):
        folder.add(SILICON, "Si.psp8", collection="../outside")
    with pytest.raises(ReadError):
        folder.add(b"nonsense\n" * 30, "Si.psp8")
    assert [row["name"] for row in folder.rows()] == ["Si-x"]


def test_verify_and_use_notice_every_change(own_folder):
    for data, name in ((SILICON, "a.psp8"), (CARBON, "b.upf"), (GERMANIUM, "c.psp8"), (SILICON + b"\n", "d.psp8")):
        folder.add(data, name)
    assert {row["state"] for row in folder.verify()} == {"sound"}
    (own_folder / "own" / "a.psp8").write_bytes(SILICON.replace(b"1.", b"2.", 1))
    (own_folder / "own" / "b.upf").unlink()
    states = {row["name"]: row["state"] for row in folder.verify()}
    assert states == {"a": "changed", "b": "missing", "c": "sound", "d": "sound"}
    with pytest.raises(ReadError, match="is not the file it was"):
        library.find("Si", "PBE", "a")
    with pytest.raises(MissingError, match="is not there"):
        library.find("C", "PBE", "b")
    assert folder.remove("Ge", "c").symbol == "Ge" and not (own_folder / "own" / "c.psp8").exists()
    with pytest.raises(MissingError, match="no potential 'c' of Ge"):
        folder.remove("Ge", "c")
    (own_folder / "manifest.json").write_text('{"schema": 7}')
    with pytest.raises(ReadError, match="not a manifest of potentials"):
        folder.rows()
    assert library.entry("Si", "PBE").plain and library.entry("Mg", "PBE", "GTH-PBE-q2").charge == 2  # the table needs no manifest


def test_files_without_a_hint_are_scanned_once(monkeypatch):
    from solvers.dft.pseudo import scan
    entry = folder.add(SILICON, "Si.psp8")
    assert library.recommended_cutoff(entry) is None
    assert any("not scanned yet" in row["hint"] for row in library.choices("Si", "PBE"))
    table = scan.recommend(library.entry("Si", "PBE"))["cutoff_ha"]
    assert library.default_cutoff([entry]) == pytest.approx(table * HARTREE_EV)  # the same potential, analytic there and on a mesh here
    monkeypatch.setattr(scan, "recommend", lambda item: pytest.fail("scanned twice"))
    assert library.default_cutoff([entry]) == pytest.approx(table * HARTREE_EV) and library.cutoff_row(entry).kind == "scanned"


def test_a_narrow_core_density_asks_for_its_cutoff():
    """A Gaussian of width a with N electrons, N exp(−q²a²/2), has ended at q = √(2 ln(N/ε))/a = 2 √(2 E)."""
    import math
    from dataclasses import replace

    from solvers.dft.pseudo import scan
    silicon = library.entry("Si", "PBE")
    plain = scan.recommend(silicon)["cutoff_ha"]
    for width in (0.15, 0.6):
        electrons = 3.0
        height = 4 * math.pi * electrons / (math.sqrt(2 * math.pi) * width) ** 3
        needed = 2 * math.log(electrons / scan.CORE) / (8 * width**2)
        item = replace(silicon, core=((width, (height,)),), sha256=f"{width}")
        assert scan.core_cutoff(item) == math.ceil(needed)
        if width == 0.15:
            assert needed > plain + 5 and scan.recommend(item)["cutoff_ha"] == math.ceil(needed)


# ---- downloads -------------------------------------------------------------------------------------------------------------------------------------
class Server:
    """Serves `content` by path; `cuts`: bytes after which the connection breaks, one per request; `ranges`: whether it knows Range; `log`: what was asked."""

    def __init__(self):
        self.content: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.ranges, self.log, self.status, self.lie = True, [], 200, False
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.log.append(self.headers.get("Range", ""))
                data = server.content.get(self.path)
                if data is None or server.status != 200:
                    self.send_error(404 if data is None else server.status)
                    return
                start = int(self.headers["Range"][6:-1]) if self.headers.get("Range") and server.ranges else 0
                if start and start >= len(data):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start + (7 if server.lie else 0)}-{len(data) - 1}/{len(data)}")
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                part = data[start:start + server.cuts.pop(0)] if server.cuts else data[start:]
                self.wfile.write(part)
                self.close_connection = True

            def log_message(self, *words):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    one = Server()
    one.content["/Si.psp8"] = SILICON
    yield one
    one.close()


def remote(server, data=SILICON, name="Si.psp8", symbol="Si", **changes):
    return fetch.Remote(symbol, name, server.url + name, hashlib.sha256(data).hexdigest(), **{"size": len(data), **changes})


def test_a_cut_download_goes_on_where_it_broke(server):
    server.cuts = [10_000, 1, 25_000]
    said = []
    entry = fetch.fetch_file(remote(server, hint=18.0), collection="set", licence="CC BY", tell=said.append)
    assert server.log == ["", "bytes=10000-", "bytes=10001-", "bytes=35001-"] and len(said) == 3
    assert entry.hint == 18.0 and entry.licence == "CC BY" and library.find("Si", "PBE", "set").charge == 4
    assert not list((folder.folder() / ".parts").iterdir())


def test_a_cut_download_of_a_server_without_ranges_begins_anew(server):
    server.cuts, server.ranges = [10_000, 20_000], False
    assert fetch.fetch_file(remote(server)).symbol == "Si"
    assert server.log == ["", "bytes=10000-", "bytes=20000-"]


def test_a_server_that_answers_another_range_is_not_believed(server):
    server.cuts, server.lie = [10_000], True
    assert fetch.fetch_file(remote(server)).symbol == "Si" and server.log == ["", "bytes=10000-", ""]


def test_another_run_goes_on_with_what_has_come(server):
    server.cuts = [20_000] + [0] * 20
    with pytest.raises(RunError, match="could not be fetched.*broke off.*run the command again"):
        fetch.fetch_file(remote(server))
    assert folder.rows() == [] and [part.stat().st_size for part in (folder.folder() / ".parts").iterdir()] == [20_000]
    server.cuts, server.log = [], []
    fetch.fetch_file(remote(server))
    assert server.log == ["bytes=20000-"]


def test_a_part_that_is_whole_already_is_taken(server):
    part = folder.folder() / ".parts"
    part.mkdir()
    (part / f"{hashlib.sha256(SILICON).hexdigest()}.part").write_bytes(SILICON)
    assert fetch.fetch_file(remote(server)).symbol == "Si" and server.log == [f"bytes={len(SILICON)}-"]


@pytest.mark.parametrize("size", [None, len(SILICON)])
def test_a_wrong_hash_installs_nothing(server, size):
    server.content["/Si.psp8"] = SILICON.replace(b"14.0", b"14.1", 1)[:len(SILICON)]
    with pytest.raises(ReadError, match="it is not the file that was meant"):
        fetch.fetch_file(remote(server, size=size))
    assert folder.rows() == [] and not list((folder.folder() / ".parts").iterdir()) and not (folder.folder() / "own").exists()


def test_what_is_fetched_must_be_a_potential_of_that_element(server):
    server.content |= {"/x.psp8": b"hello\n" * 40, "/Ge.psp8": GERMANIUM}
    with pytest.raises(ReadError):
        fetch.fetch_file(remote(server, b"hello\n" * 40, "x.psp8", ""))
    with pytest.raises(ReadError, match="potential of Ge, not of Si"):
        fetch.fetch_file(remote(server, GERMANIUM, "Ge.psp8", "Si"))
    assert folder.rows() == []


@pytest.mark.parametrize(("status", "words", "tries"), [(404, "answers 404", 1), (403, "answers 403", 1), (503, "answers 503", fetch._ATTEMPTS)])
def test_servers_that_refuse(server, status, words, tries):
    server.status = status
    with pytest.raises(RunError, match=words):
        fetch.fetch_file(remote(server))
    assert len(server.log) == tries


def test_a_dead_server_is_a_sentence(monkeypatch):
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    dead = Server()
    dead.close()
    with pytest.raises(RunError, match="could not be fetched"):
        fetch.fetch_file(remote(dead))


def test_a_set_from_a_manifest(server, tmp_path):
    server.content["/C.upf"] = CARBON
    manifest = tmp_path / "m.json"
    rows = [{"symbol": s, "path": n, "sha256": hashlib.sha256(d).hexdigest(), "cutoff_ha": c}
            for s, n, d, c in (("Si", "Si.psp8", SILICON, 18), ("C", "C.upf", CARBON, 41))]
    manifest.write_text(json.dumps({"sets": {"mine": {"base": server.url, "licence": "CC0", "files": rows}}}))
    chosen = fetch.source("mine", manifest)
    assert [entry.symbol for _, entry in fetch.fetch_set(chosen, ["C"])] == ["C"]
    assert [entry.symbol for _, entry in fetch.fetch_set(chosen)] == ["Si", "C"] and len(server.log) == 2  # C was here already
    assert library.entry("C", "PBE", "mine").licence == "CC0" and library.default_cutoff([library.entry("C", "PBE", "mine")]) == pytest.approx(41 * HARTREE_EV)
    with pytest.raises(MissingError, match="has no O.*It has Si, C"):
        list(fetch.fetch_set(chosen, ["O"]))
    with pytest.raises(MissingError, match="no set 'other'.*Known: mine"):
        fetch.source("other", manifest)
    manifest.write_text('{"sets": {"mine": {"files": [{}]}}}')
    with pytest.raises(ReadError, match="is not a manifest of sources"):
        fetch.sources(manifest)


def test_addresses_and_hashes_of_users_are_checked():
    for url in ("file:///etc/passwd", "ftp://x/y.psp8", "https://", "x.psp8"):
        with pytest.raises(SetupError, match="is not the address of a file"):
            fetch.remote_of(url, "0" * 64)
    with pytest.raises(SetupError, match="is not a SHA-256"):
        fetch.remote_of("https://x.org/y.psp8", "abc")
    assert fetch.remote_of("https://x.org/a/y%20z.psp8", "A" * 64).filename == "y z.psp8"


def test_the_sources_that_come_with_the_program_are_pinned():
    known = fetch.sources()
    assert {"dojo-pbe-standard", "dojo-pbe-stringent", "dojo-pbesol-standard", "dojo-pbesol-stringent", "spms-pbe"} == set(known)
    for source in known.values():
        assert source.licence and source.cite and len({remote.symbol for remote in source.files}) == len(source.files) > 60
        for remote_file in source.files:
            assert remote_file.url.startswith("https://raw.githubusercontent.com/") and len(remote_file.url.split("/")[5]) == 40  # a commit, not a branch
            assert remote_file.size > 10_000
    assert all(remote_file.hint for name in known if name.startswith("dojo") for remote_file in known[name].files)


def test_a_scan_needs_no_torch_in_the_process_that_asks(own_folder):
    import subprocess
    import sys
    folder.add(SILICON, "Si.psp8")
    asked = ("import sys; from solvers.dft.pseudo import library, scan; item = library.entry('Si', 'PBE', 'Si'); "
             "print(library.default_cutoff([item]), library.cutoff_row(item).kind, 'torch' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=120, check=True)
    cutoff, kind, torch_loaded = done.stdout.split()
    assert float(cutoff) > 100 and kind == "scanned" and torch_loaded == "False"
