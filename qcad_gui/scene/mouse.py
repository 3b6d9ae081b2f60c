"""What a drag means: presets as data. Buttons are "left", "middle", "right"; modifiers a frozenset of "shift", "ctrl", "alt". No Qt."""

from __future__ import annotations

from ..translate import mark

#: preset -> (text, {(button, modifiers): action}); actions: rotate, pan, zoom, roll, box
PRESETS: dict[str, tuple[str, dict[tuple[str, frozenset[str]], str]]] = {}


def _preset(name: str, text: str, **drags: str) -> None:
    table = {}
    for keys, action in drags.items():
        *modifiers, button = keys.split("_")
        table[button, frozenset(modifiers)] = action
    PRESETS[name] = (text, table)


_preset(
    "default",
    mark("Left rotates, middle or Shift+left pans"),
    left="rotate",
    shift_left="pan",
    middle="pan",
    right="rotate",
    shift_right="roll",
    ctrl_right="zoom",
    ctrl_left="box",
)
_preset(
    "ovito", mark("OVITO: left rotates, right or middle pans"), left="rotate", shift_left="pan", middle="pan", right="pan", ctrl_right="zoom", ctrl_left="box"
)
_preset(
    "q-studio",
    mark("Q-Studio and ASE: right rotates, left selects"),
    right="rotate",
    shift_right="roll",
    middle="pan",
    ctrl_right="pan",
    shift_left="pan",
    ctrl_left="pan",
    left="box",
)
_preset(
    "blender",
    mark("Blender: middle rotates, Shift+middle pans"),
    middle="rotate",
    shift_middle="pan",
    ctrl_middle="zoom",
    left="box",
    shift_left="box",
    right="rotate",
)
#: what a plain left drag means in a mode, whatever the preset; None = the preset's meaning
MODE_DRAG = {"view": None, "select": "box", "edit": None, "measure": None}
MODES = tuple(MODE_DRAG)


def action(preset: str, mode: str, button: str, modifiers: frozenset[str]) -> str | None:
    """rotate, pan, zoom, roll, box or None for a drag."""
    if button == "left" and MODE_DRAG[mode] and modifiers <= {"ctrl", "shift"} and PRESETS[preset][1].get((button, modifiers)) != "pan":
        return MODE_DRAG[mode]
    return PRESETS[preset][1].get((button, modifiers))
