"""``qcad project new | list | table | pack | unpack | compact PROJECT``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from . import flags

_ACTIONS = ("new", "list", "table", "pack", "unpack", "compact")


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    parser.add_argument("action", choices=_ACTIONS)
    parser.add_argument("project", type=Path, metavar="NAME.qcad", help="project folder (unpack: a .qcadz file)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="table: CSV file; pack: .qcadz file; unpack: folder")


def run(args: argparse.Namespace, verb: str) -> int:
    from ..core.project import Project

    if args.action == "unpack":
        target = args.output or args.project.with_suffix(".qcad")
        Project.unpack(args.project, target)
        return _done(args, {"project": str(target)}, f"unpacked to {target}")
    if args.action == "new":
        with Project.create(args.project) as project:
            return _done(args, {"project": str(project.folder)}, f"created {project.folder}")
    with Project.open(args.project) as project:
        if not project.read_only:
            project.import_jobs()
        if args.action == "list":
            rows = [{"id": node.id, "parent": node.parent, "kind": node.kind, "name": node.name, "made_by": node.made_by} for node in project.nodes()]
            return _done(args, {"nodes": rows}, "\n".join(f"{row['kind']:<12} {row['name']:<40} {row['made_by']}" for row in rows) or "empty")
        if args.action == "table":
            text = project.table_csv()
            if args.output:
                args.output.write_text(text, encoding="utf-8", newline="")
                return _done(args, {"file": str(args.output)}, f"wrote {args.output}")
            return _done(args, {"csv": text}, text.rstrip("\n"))
        if args.action == "pack":
            target = args.output or args.project.with_suffix(".qcadz")
            project.pack(target)
            return _done(args, {"file": str(target)}, f"wrote {target}")
        freed = project.compact()
        return _done(args, {"freed_bytes": freed}, f"freed {freed / 1e6:.1f} MB")


def _done(args: argparse.Namespace, report: dict, text: str) -> int:
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        print(text) if args.action in ("list", "table") else flags.say(text)
    return 0
