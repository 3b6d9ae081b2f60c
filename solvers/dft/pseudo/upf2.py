"""UPF version 2: XML in name, with texts in PP_INFO that XML forbids."""
from __future__ import annotations

import re
from typing import Any

import numpy as np

from solvers.core.errors import ReadError

from .upf import _HINT, _MOST, Sections, numbers, refuse_kind


def sections(text: str, name: str) -> Sections:
    """The content of a version 2 file. Raises ReadError that names the section."""
    root, info = _tree(text, name)
    header = {key.lower(): value for key, value in _child(root, "PP_HEADER", name).attrib.items()}
    if not header.get("pseudo_type"):
        raise ReadError(f"{name}: PP_HEADER has no pseudo_type.", hint=_HINT)
    refuse_kind(name, "PAW" if _true(header, "is_paw") else "US" if _true(header, "is_ultrasoft") else "1/r" if _true(header, "is_coulomb")
                else header["pseudo_type"])
    if _true(header, "has_so") or root.find("PP_SPIN_ORB") is not None:
        raise ReadError(f"{name} is fully relativistic: its projectors depend on the spin's direction.",
                        hint="This program computes without spin-orbit coupling; take the scalar-relativistic file of the same set.")
    mesh = _child(root, "PP_MESH", name)
    r = _array(mesh, "PP_R", name)
    step = _array(mesh, "PP_RAB", name)
    local = _array(root, "PP_LOCAL", name)
    nonlocal_ = root.find("PP_NONLOCAL")
    projectors, coupling = ([], np.zeros((0, 0))) if nonlocal_ is None else _projectors(nonlocal_, header, name)
    core = _array(root, "PP_NLCC", name) if _true(header, "core_correction") else None
    density = _array(root, "PP_RHOATOM", name) if root.find("PP_RHOATOM") is not None else None
    return Sections(name, header, r, step, local, projectors, coupling, core, density, _orbitals(root, header, name), info)


def _tree(text: str, name: str) -> tuple[Any, str]:
    """(root, text of PP_INFO). The body of PP_INFO and comments are taken out first; ampersands that start no entity are escaped."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring
    body = re.search(r"<PP_INFO[^>]{0,200}>(.*?)</PP_INFO>", text, re.S)
    info = body[1] if body else ""
    if body:
        text = text[:body.start(1)] + text[body.end(1):]
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    start, end = text.find("<UPF"), text.rfind("</UPF>")
    if end < 0:
        raise ReadError(f"{name} has no </UPF>.", hint="The file is truncated. " + _HINT)
    text = re.sub(r"&(?!(?:amp|lt|gt|quot|apos);)", "&amp;", text[start:end + 6])
    try:
        return fromstring(text), info
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise ReadError(f"{name} is not readable as UPF version 2 ({str(error)[:120]}; lines counted from <UPF>, without PP_INFO).", hint=_HINT) from None


def _child(parent: Any, tag: str, name: str) -> Any:
    found = parent.find(tag)
    if found is None:
        raise ReadError(f"{name} has no section {tag}.", hint=_HINT)
    return found


def _array(parent: Any, tag: str, name: str) -> np.ndarray:
    element = _child(parent, tag, name)
    return numbers(name, tag, "".join(element.itertext()), _whole(element.get("size"), name, f"size of {tag}"))


def _whole(text: str | None, name: str, what: str, low: int = 0, high: int = 10**7) -> int | None:
    """The whole number in an attribute, None when the attribute is missing."""
    if text is None or not text.strip():
        return None
    if not re.fullmatch(r"\s*[+-]?\d{1,9}\s*", text) or not low <= int(text) <= high:
        raise ReadError(f"{name}: the {what} is {text[:30]!r}.", hint=f"A whole number from {low} to {high} was expected. " + _HINT)
    return int(text)


def _true(header: dict[str, str], key: str) -> bool:
    return header.get(key, "").strip().strip(".").lower() in ("t", "true", "1", "yes")


def _projectors(section: Any, header: dict[str, str], name: str) -> tuple[list, np.ndarray]:
    if section.find("PP_AUGMENTATION") is not None:
        augmentation = section.find("PP_AUGMENTATION")
        if len(augmentation) and augmentation.get("q_with_l", "") and _true(header, "is_ultrasoft"):
            refuse_kind(name, "US")
    announced = _whole(header.get("number_of_proj"), name, "number_of_proj", 0, _MOST)
    found = []
    for index in range(1, _MOST + 1):
        element = section.find(f"PP_BETA.{index}")
        if element is None:
            break
        l = _whole(element.get("angular_momentum"), name, f"angular_momentum of PP_BETA.{index}", 0, 6)
        if l is None:
            raise ReadError(f"{name}: PP_BETA.{index} has no angular_momentum.", hint=_HINT)
        values = numbers(name, f"PP_BETA.{index}", "".join(element.itertext()), _whole(element.get("size"), name, f"size of PP_BETA.{index}"))
        found.append((l, values, _whole(element.get("cutoff_radius_index"), name, f"cutoff_radius_index of PP_BETA.{index}") or None))
    if announced is not None and len(found) != announced:
        raise ReadError(f"{name}: PP_NONLOCAL has {len(found)} projectors; {announced} were announced.", hint="The file is truncated. " + _HINT)
    if not found:
        return [], np.zeros((0, 0))
    flat = numbers(name, "PP_DIJ", "".join(_child(section, "PP_DIJ", name).itertext()), len(found) ** 2)
    return found, flat.reshape(len(found), len(found))


def _orbitals(root: Any, header: dict[str, str], name: str) -> list:
    section = root.find("PP_PSWFC")
    found = []
    for index in range(1, _MOST + 1):
        element = None if section is None else section.find(f"PP_CHI.{index}")
        if element is None:
            break
        l = _whole(element.get("l"), name, f"l of PP_CHI.{index}", 0, 6)
        if l is None:
            raise ReadError(f"{name}: PP_CHI.{index} has no l.", hint=_HINT)
        values = numbers(name, f"PP_CHI.{index}", "".join(element.itertext()), _whole(element.get("size"), name, f"size of PP_CHI.{index}"))
        if not np.isfinite(values).all():
            raise ReadError(f"{name}: PP_CHI.{index} holds a value that is not a finite number.", hint=_HINT)
        label = element.get("label") or ""
        found.append((label if re.fullmatch(r"\s*\d[spdfSPDF]\s*", label) else "", l, _real(element.get("occupation")), _energy(element), values))
    return [(label.strip().lower(), *rest) for label, *rest in found]


def _real(text: str | None) -> float:
    try:
        value = float((text or "0").replace("D", "E").replace("d", "e"))
    except ValueError:
        return 0.0
    return value if abs(value) < 20 else 0.0


def _energy(element: Any) -> float | None:
    value = _real(element.get("pseudo_energy"))
    return value / 2 if value else None
