"""Shape of the files: size, docstrings, no machine's paths, no conversion factor outside units.py."""
from __future__ import annotations

import ast
import re

MAX_LINES = 600
#: verbs of the shell are pairs add(parser), run(args) whose contract stands once in solvers/cli/__init__.py
VERB_FUNCTIONS = ("add", "run")
#: digits of conversion factors and physical constants that belong into solvers/core/units.py
FACTORS = ("27.211", "13.605", "0.52917", "0.529177", "1.88972", "1.602176", "160.21", "6.02214", "8.61733", "1.380649", "6.62607", "1.054571", "9.10938",
"1.66053", "2.99792",
           "29421.0", "294.21", "14.3996", "0.0367493", "103.64", "96.4853", "98.2269", "0.00982269")


def test_no_module_is_longer_than_one_sitting(everything):
    assert len(everything) > 60
    assert not [(source.name, n) for source in everything if (n := source.text.count("\n") + 1) > MAX_LINES]


def test_public_functions_say_what_they_return(program):
    missing = []
    for source in program:
        if not ast.get_docstring(source.tree) and source.text.strip():
            missing.append(f"{source.name}: module")
        for node in source.tree.body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
                continue
            verb = source.name.startswith("solvers/cli/") and node.name in VERB_FUNCTIONS
            if not verb and not ast.get_docstring(node):
                missing.append(f"{source.name}:{node.lineno} {node.name}")
    assert not missing, "\n".join(missing)


def test_no_path_of_any_machine(root):
    pattern = re.compile(r"(?<![\w./:~>])/(?:home|root|work|Users|mnt|media|srv|nix)/[\w.]+")
    hits, looked = [], 0
    for path in _texts(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        looked += 1
        hits += [f"{path.relative_to(root)}:{text[:match.start()].count(chr(10)) + 1} {match.group()}" for match in pattern.finditer(text)]
    assert looked > 80 and not hits, hits


def test_conversion_factors_stand_in_one_place(program):
    pattern = re.compile(r"(?<![\d.])(?:" + "|".join(re.escape(factor) for factor in FACTORS) + r")\d*")
    hits = []
    for source in program:
        if source.name == "solvers/core/units.py":
            assert pattern.search(source.text)
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                segment = ast.get_source_segment(source.text, node) or ""
                mantissa = segment.lower().split("e")[0].replace("_", "")
                if pattern.fullmatch(mantissa):
                    hits.append(f"{source.name}:{node.lineno} {segment}")
    assert not hits


def test_no_package_below_tests(root):
    assert not list((root / "tests").rglob("__init__.py"))


def test_every_module_starts_alike(program):
    late = [source.name for source in program if any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in source.tree.body)
            and "from __future__ import annotations" not in source.text]
    assert not late


def test_ruff_is_content(root):
    import subprocess
    import sys
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "."]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _texts(root):
    import subprocess
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    else:  # a source archive without its history
        paths = [path for path in root.rglob("*") if ".venv" not in path.parts and "__pycache__" not in path.parts]
    endings = (".py", ".md", ".toml", ".sh", ".txt", ".cfg", ".json", ".desktop", "")
    return [path for path in paths if path.is_file() and path.suffix in endings and "resources/pseudo" not in path.as_posix()]
