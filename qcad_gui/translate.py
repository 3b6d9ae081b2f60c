"""`tr`: the one road of every sentence to the screen. Catalogues are JSON, `resources/translations/<language>.json`: English -> translation.

JSON instead of Qt's .ts/.qm because every source string is a Python literal, the compilers for .qm are not in PySide6-Essentials' public
interface, and a reviewer can read the file. A missing entry shows the English sentence. `tests/gui/test_text.py` finds missing ones.
What the engine says has a catalogue of its own and goes through `sentences.said`.
"""

from __future__ import annotations

import json
import locale

from solvers.core.errors import MissingError, ReadError
from solvers.core.paths import resource

from . import sentences

LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
_catalogue: dict[str, str] = {}


def tr(text: str, /, **values: object) -> str:
    """`text` in the chosen language with `{name}` replaced by `values`."""
    out = _catalogue.get(text, text)
    return out.format(**values) if values else out


def mark(text: str, /) -> str:
    """`text` unchanged: marks a literal in a table that is shown through `tr` later, so that the catalogue test finds it."""
    return text


def system_language() -> str:
    """The language of the desktop if there is a catalogue for it, else English."""
    name = (locale.getlocale()[0] or "en").replace("-", "_")
    return next((code for code in LANGUAGES if name.startswith(code.split("_")[0]) and code != "en"), "en")


def load(language: str) -> str:
    """Make `language` ("en", "zh_CN", "" = the desktop's) the one `tr` speaks; returns the code in use. Raises ReadError for a broken catalogue."""
    language = language or system_language()
    _catalogue.clear()
    sentences.use({})
    if language == "en":
        return "en"
    if (own := _read(f"{language}.json")) is None:
        return "en"
    _catalogue.update(own)
    sentences.use(_read(f"engine.{language}.json") or {})
    return language


def _read(name: str) -> dict[str, str] | None:
    """A catalogue, None where it is not installed."""
    try:
        path = resource("translations", name)
    except MissingError:
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ReadError(f"The translation {path} cannot be read: {error}.", hint="Install the program again.") from error
