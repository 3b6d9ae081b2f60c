"""Every command and snippet of the README does what it says."""
from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines() if line.startswith("qcad ")]
SNIPPETS = [text for kind, text in BLOCKS if kind == "python"]


def test_there_are_exactly_two_commands_before_the_first_steps():
    shell = [text.strip() for kind, text in BLOCKS if kind == "sh"]
    assert shell[:2] == ["sh installer/setup.sh", "sh installer/test.sh"]
    assert all((ROOT / command.split()[1]).is_file() for command in shell[:2])
    assert len(COMMANDS) >= 8 and len(SNIPPETS) >= 2


def test_what_the_readme_links_to_is_there():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links and not [link for link in links if not (ROOT / link).exists()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_shell_commands_run_in_order(workplace):
    folder, call = workplace
    made = []
    for command in COMMANDS:
        words = shlex.split(command)
        done = call("-m", "solvers", *words[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        made += [folder / words[i + 1] for i, word in enumerate(words) if word == "-o"]
        if "--json" in words:
            report = json.loads(done.stdout)
            assert report["converged"] and -220 < report["energy"] < -205
    assert len(made) >= 6 and all(path.is_file() and path.stat().st_size > 100 for path in made), made
    assert "*ELASTIC" in (folder / "copper.inp").read_text().upper()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_the_python_snippets_run(workplace, number):
    folder, call = workplace
    done = call("-c", SNIPPETS[number])
    assert done.returncode == 0, f"{SNIPPETS[number]}\n{done.stderr[-3000:]}"
    assert done.stdout.strip()


def test_every_verb_that_the_pages_name_exists():
    from solvers.cli import VERBS
    text = README + "".join((ROOT / name).read_text(encoding="utf-8") for name in ("ARCHITECTURE.md", "CONVENTIONS.md", "CHANGELOG.md"))
    named = set(re.findall(r"`?qcad ([a-z]+)\b", text))
    assert named and named <= set(VERBS), named - set(VERBS)
