"""``qcad pseudos list | add | remove | verify | fetch``: the potentials of the program and of the user's own folder."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..core.errors import MissingError, QcadError, SetupError

_ACTIONS = ("list", "add", "remove", "verify", "fetch")


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    """Flags of the action that `rest` begins with."""
    action = next((word for word in rest if word in _ACTIONS), "list")
    parser.add_argument("action", nargs="?", choices=_ACTIONS, default="list")
    if action == "list":
        parser.add_argument("element", nargs="?", help="only this element")
        parser.add_argument("--xc", help="only this functional")
        parser.add_argument("--set", dest="collection", help="only this set (gth: the table that comes with the program)")
        parser.add_argument("--sources", action="store_true", help="the sets that `qcad pseudos fetch` knows, with their licences")
    elif action == "add":
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE|FOLDER", help="psp8, UPF, .gth or .hgh files, or a folder of them")
        parser.add_argument("--set", dest="collection", default="own", help="the set they join; a set's name can stand for all its elements in pseudos")
        parser.add_argument("--name", default="", help="name of a single file (default: its own, without ending)")
        parser.add_argument("--licence", default="", help="what you know of their licence, where the files say nothing")
        parser.add_argument("--no-scan", action="store_true", help="do not work out a cutoff for files that recommend none")
    elif action == "remove":
        parser.add_argument("element")
        parser.add_argument("name", help="as `qcad pseudos list` shows it")
    elif action == "fetch":
        parser.add_argument("collection", nargs="?", metavar="SET", help="a set; `qcad pseudos list --sources` shows them")
        parser.add_argument("elements", nargs="*", metavar="ELEMENT", help="only these (default: all of the set)")
        parser.add_argument("--manifest", type=Path, help="a manifest of sources of your own")
        parser.add_argument("--url", help="a single file instead of a set; needs --sha256")
        parser.add_argument("--sha256", help="what the file's SHA-256 must be")
        parser.add_argument("--name", default="", help="name of the single file")
        parser.add_argument("--licence", default="", help="what you know of the single file's licence")
        parser.add_argument("--no-scan", action="store_true", help="do not work out a cutoff for files that come without one")


def run(args: argparse.Namespace, verb: str) -> int:
    """Run the action; returns the exit code."""
    return {"list": _list, "add": _add, "remove": _remove, "verify": _verify, "fetch": _fetch}[args.action](args)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(args: argparse.Namespace, name: str, rows: list[dict[str, Any]], lines: list[str]) -> None:
    print(json.dumps({name: rows}, ensure_ascii=False) if args.json else "\n".join(lines))


def _list(args: argparse.Namespace) -> int:
    from ..dft.pseudo import library

    if args.sources:
        return _sources(args)
    rows = [row for row in library.listing(args.element, args.xc) if args.collection in (None, row["set"] or "own")]
    if not rows:
        every = library.listing()
        asked = " and ".join(f"{what} {value!r}" for what, value in (("element", args.element), ("functional", args.xc), ("set", args.collection)) if value)
        raise MissingError(
            f"There is no potential for {asked}.",
            hint=f"Functionals: {', '.join(sorted({row['xc'] for row in every}))}. Sets: {', '.join(sorted({row['set'] or 'own' for row in every}))}. "
            "`qcad pseudos list` shows every element, `qcad pseudos list --sources` what can be fetched.",
        )
    _print(args, "pseudos", rows, [_line(row) for row in rows])
    return 0


def _line(row: dict[str, Any]) -> str:
    cutoff = f"cutoff {row['cutoff_ev']:6.0f} eV ({row['cutoff_ha']:.0f} Ha, {row['cutoff_kind']})" if row["cutoff_ev"] else "cutoff not known"
    marks = " ".join(filter(None, ("default" if row["default"] else "", "core correction" if row["nlcc"] else "")))
    shown = row["name"] if row["selector"] == row["name"] else f"{row['name']} [{row['selector']}]"
    return (
        f"{row['symbol']:<3} {shown:<22} {row['xc']:<7} {row['valence']:3g} electrons  {cutoff:<36} {marks:<24} "
        f"{row['relativity'] if row['relativity'] != 'not stated' else '':<8} licence: {row['licence'][:60]}"
    )


def _sources(args: argparse.Namespace) -> int:
    from ..dft.pseudo.fetch import sources

    rows = [
        {"set": item.name, "title": item.title, "licence": item.licence, "home": item.home, "cite": item.cite, "elements": [f.symbol for f in item.files]}
        for item in sources().values()
    ]
    lines = [f"{row['set']}\n    {row['title']}\n    licence: {row['licence']}\n    from {row['home']}; cite {row['cite']}" for row in rows]
    _print(args, "sources", rows, lines)
    return 0


def _potential_files(paths: list[Path]) -> list[Path]:
    from ..dft.pseudo.files import ENDINGS

    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(item for item in path.rglob("*") if item.suffix.lower() in ENDINGS and item.is_file())
            if not inside:
                raise MissingError(f"{path} holds no potential files.", hint=f"Known endings: {', '.join(sorted(ENDINGS))}.")
            found += inside
        else:
            found.append(path)
    return found


def _add(args: argparse.Namespace) -> int:
    from ..dft.pseudo import files, folder

    paths = _potential_files(args.files)
    if args.name and len(paths) > 1:
        raise SetupError(f"--name was given for {len(paths)} files.", hint="Leave it out; each file keeps its own name.")
    rows = []
    for path in paths:
        entry = folder.add(files.read_bytes(path), path.name, collection=args.collection, name=args.name, licence=args.licence, origin=str(path.absolute()))
        rows.append(_report(entry, not args.no_scan))
    _print(args, "added", rows, [_added(row) for row in rows])
    return 0


def _report(entry: Any, scan: bool) -> dict[str, Any]:
    """What is in the folder now, with its cutoff."""
    from ..core.units import HARTREE_EV
    from ..dft.pseudo import library

    if scan and library.recommended_cutoff(entry) is None:
        _say(f"working out the cutoff of {entry.symbol} {entry.name} …")
        library.scanned_cutoff(entry)
    cutoff = library.cutoff_row(entry)
    return {
        "symbol": entry.symbol,
        "name": entry.name,
        "selector": entry.selector,
        "xc": entry.xc,
        "valence": entry.charge,
        "licence": entry.licence,
        "nlcc": entry.has_core,
        "cutoff_ev": cutoff.energy,
        "cutoff_ha": None if cutoff.energy is None else cutoff.energy / HARTREE_EV,
        "cutoff_kind": cutoff.kind,
        "sha256": entry.sha256,
        "notes": list(entry.notes),
    }


def _added(row: dict[str, Any]) -> str:
    cutoff = f"cutoff {row['cutoff_ev']:.0f} eV ({row['cutoff_kind']})" if row["cutoff_ev"] else "cutoff not known"
    what = f"{row['symbol']:<3} {row['name']:<20} {row['xc']}, {row['valence']:g} electrons, {cutoff}; licence: {row['licence']}"
    return "\n    ".join([f"{what}; pseudos={row['symbol']}={row['selector']}", *row["notes"]])


def _remove(args: argparse.Namespace) -> int:
    from ..dft.pseudo import folder

    entry = folder.remove(args.element, args.name)
    _print(args, "removed", [{"symbol": entry.symbol, "name": entry.name}], [f"{entry.symbol} {entry.name} removed"])
    return 0


def _verify(args: argparse.Namespace) -> int:
    from ..dft.pseudo import folder

    rows = folder.verify()
    bad = [row for row in rows if row["state"] != "sound"]
    lines = [f"{row['symbol']:<3} {row['set']}/{row['name']:<20} {row['state']:<8} {row['reason']}" for row in rows]
    _print(args, "potentials", rows, [*lines, f"{len(rows) - len(bad)} of {len(rows)} potentials in {folder.folder()} are what they were."])
    return 1 if bad else 0


def _fetch(args: argparse.Namespace) -> int:
    from ..dft.pseudo import fetch

    if args.url:
        if not args.sha256 or args.collection:
            raise SetupError("A single address needs --sha256 and no set.", hint="The hash is what makes sure that the right file has come.")
        entry = fetch.fetch_file(fetch.remote_of(args.url, args.sha256), name=args.name, licence=args.licence, tell=_say)
        rows = [_report(entry, not args.no_scan)]
        _print(args, "fetched", rows, [_added(row) for row in rows])
        return 0
    if not args.collection:
        raise SetupError("No set was named.", hint=f"Known: {', '.join(fetch.sources(args.manifest))}. `qcad pseudos list --sources` shows their licences.")
    chosen = fetch.source(args.collection, args.manifest)
    _say(f"{chosen.name}: {chosen.title}\n  from {chosen.home}\n  licence: {chosen.licence}\n  cite: {chosen.cite}")
    rows = []
    try:
        for remote, entry in fetch.fetch_set(chosen, args.elements, _say):
            rows.append(_report(entry, not args.no_scan))
            _say(f"  {remote.symbol:<3} {remote.filename}")
    except QcadError:
        if rows:
            _say(f"{len(rows)} files are here; the rest is missing.")
        raise
    _print(args, "fetched", rows, [_added(row) for row in rows] + [f"Use them as pseudos={chosen.name}."])
    return 0
