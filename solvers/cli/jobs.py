"""``qcad jobs list | show | watch | cancel | resume ID``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..core.errors import SetupError
from ..core.jobs import JobManager
from . import flags, running
from .task import write_output

_ACTIONS = ("list", "show", "watch", "cancel", "resume")


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    parser.add_argument("action", choices=_ACTIONS, nargs="?", default="list")
    parser.add_argument("id", nargs="?", help="job id, or its beginning")
    parser.add_argument("--project", type=Path, metavar="NAME.qcad", help="jobs of this project (default: the user's job folder)")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="show, watch, resume: write the output of the finished job: density, structure, material, …"
    )


def run(args: argparse.Namespace, verb: str) -> int:
    manager = JobManager(running.jobs_root(args.project))
    if args.action == "list":
        rows = [_row(job) for job in manager.list()]
        if args.json:
            print(json.dumps({"jobs": rows}))
        else:
            print("\n".join(f"{row['id']:<48} {row['state']:<12} {row['title']}" for row in rows) or f"no jobs in {manager.root}")
        return 0
    if not args.id:
        raise SetupError("No job was named.", hint="`qcad jobs` lists them.")
    job = manager.job(args.id)
    if args.output and args.action == "cancel":
        raise SetupError("A cancelled job has no output.", hint="Use --output with show, watch or resume.")
    flags.check_place(args.output)
    if args.action == "cancel":
        job.cancel()
        job.wait(timeout=60)
    elif args.action == "resume":
        job.resume()
    if args.action in ("watch", "resume"):
        result = running.follow(job)
        if args.output:
            write_output(job.spec.task, job, result, args.output)
        print(json.dumps(_row(job)) if args.json else f"{job.id} {job.status.state}: {'converged' if result.converged else 'not converged'}")
        return result.exit_code
    if args.output:
        write_output(job.spec.task, job, job.result(), args.output)
    row = _row(job)
    print(json.dumps(row) if args.json else "\n".join(f"{name:<10} {value}" for name, value in row.items()))
    return 0


def _row(job) -> dict:
    status = job.status
    return {
        "id": job.id,
        "state": status.state,
        "message": status.message,
        "step": status.step,
        "title": job.spec.title,
        "task": job.spec.task,
        "folder": str(job.path),
    }
