"""Sentences of the engine in the window's language. The engine speaks English with values in it, and knows neither window nor language; what it says crosses
the border here.

A catalogue (`resources/translations/engine.<language>.json`) holds its sentences with {1}, {2} … where values stand: `This calculation needs about {1} GiB.`
A text that fits is said again with its values, which may be sentences of the engine themselves; a text that fits nowhere stays as it is.
`tests/gui/test_sentences.py` holds every entry against the engine's source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

_PLACE = re.compile(r"\{(\d)\}")
_VALUE = r"((?:(?![.!?] +[A-Z`]).)*?)"  # a value never reaches beyond the end of a sentence
_WORD = r"(\S+)"  # a value that another one follows without anything between them
_BORDER = re.compile(r"(?<=[.!?]) +(?=[A-Z`'\"])")
_WEAK = 8  # letters; a sentence with fewer of its own fits too much: one of its values must be known, or all but the last be numbers
_FULL = "。，；：！？）”"  # after these no space follows


class Pattern(NamedTuple):
    """A sentence of the engine: its longest own words, the expression it fits, numbers of its places in order, the translation."""

    core: str
    fits: re.Pattern
    places: tuple[str, ...]
    translation: str
    letters: int


_patterns: tuple[Pattern, ...] = ()


def use(catalogue: Mapping[str, str]) -> None:
    """Speak by this catalogue; an empty one leaves every sentence as it is."""
    global _patterns
    made = (_pattern(text, translation) for text, translation in catalogue.items())
    _patterns = tuple(sorted(made, key=lambda item: (-item.letters, -len(item.fits.pattern))))
    said.cache_clear()


def _pattern(text: str, translation: str) -> Pattern:
    own = _PLACE.split(text)[::2]
    values = [_VALUE if follows or last == len(own) - 1 else _WORD for last, follows in enumerate(own[1:], 1)]
    fits = "".join(re.escape(part) + value for part, value in zip(own, values, strict=False)) + re.escape(own[-1])
    return Pattern(max(own, key=len), re.compile(fits, re.DOTALL), tuple(_PLACE.findall(text)), translation, sum(map(str.isalpha, "".join(own))))


@lru_cache(maxsize=4096)
def said(text: str) -> str:
    """What the engine said, in the window's language: whole, else sentence by sentence, else remark by remark ("; ")."""
    if not _patterns or not text:
        return text
    if "\n" in text:
        return "\n".join(map(said, text.split("\n")))
    found = _whole(text)
    if found is not None:
        return found
    ends = [match.span() for match in _BORDER.finditer(text)]
    for stop, start in reversed(ends):  # the longest beginning that is known; some entries are two sentences
        found = _whole(text[:stop])
        if found is not None:
            return _joined(found, said(text[start:]))
    if ends:
        stop, start = ends[0]
        return _joined(text[:stop], said(text[start:]))
    if "; " in text:
        parts = text.split("; ")
        spoken = [said(part) for part in parts]
        return "；".join(spoken) if spoken != parts else text
    return text


def explained(error: Exception) -> str:
    """An error of the engine with its hint, in the window's language."""
    message, hint = getattr(error, "message", None), getattr(error, "hint", "")
    return said(str(error)) if message is None else _joined(said(message), said(hint)) if hint else said(message)


def _joined(first: str, rest: str) -> str:
    return first + rest if first.endswith(tuple(_FULL)) else f"{first} {rest}".rstrip()


def _whole(text: str) -> str | None:
    for item in _patterns:
        if item.core in text and (match := item.fits.fullmatch(text)) is not None:
            values = match.groups()
            spoken = [_value(value) for value in values]
            if item.letters < _WEAK and values and spoken == list(values) and not all(map(_is_number, values[:-1] or values)):
                continue
            known = dict(zip(item.places, spoken, strict=True))
            return _PLACE.sub(lambda place, known=known: known[place[1]], item.translation)
    return None


def _value(text: str) -> str:
    if _is_number(text):
        return text
    if ", " in text and None not in (parts := [_whole(part) for part in text.split(", ")]):
        return "、".join(parts)  # a list of remarks
    found = _whole(text)
    return text if found is None else found


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+−]?[\d.,]+(e[-+]?\d+)?", text.strip()) is not None
