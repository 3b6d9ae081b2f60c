"""What a project holds: `Node`, the undo step `SetNode`, and how a payload becomes plain JSON plus arrays and back.

Payloads by kind: structure `Structure`; trajectory `Trajectory`; field `GridField`; material ``Material.to_dict()``; note text; run a dict with the job's id,
task and scalar results. Whatever else is plain JSON is kept as it is.
"""
from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import ReadError, SetupError
from .fields import GridField
from .sealed import plain
from .structure import Structure
from .trajectory import Trajectory

KINDS = ("structure", "trajectory", "field", "run", "material", "note", "trash")


@dataclass(frozen=True, eq=False)
class Node:
    """One thing in the project's tree: made_by is a job id or the command as text, created is UTC seconds, style is how it is drawn."""

    id: str
    parent: str
    kind: str
    name: str
    payload: Any = None
    made_by: str = ""
    created: float = 0.0
    style: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, kind: str, name: str, payload: Any, *, parent: str = "", made_by: str = "", style: Mapping[str, Any] | None = None) -> Node:
        """A node with a fresh id. SetupError for an unknown kind."""
        if kind not in KINDS:
            raise SetupError(f"Unknown kind of node {kind!r}.", hint=f"Allowed: {', '.join(KINDS)}.")
        return cls(uuid.uuid4().hex[:12], parent, kind, name, payload, made_by, time.time(), style or {})


@dataclass(frozen=True, eq=False)
class SetNode:
    """One undo step: node `node_id` was `before` (None: did not exist) and is `after` (None: in the trash); `text` names the step."""

    node_id: str
    before: Node | None
    after: Node | None
    text: str


Put = Callable[[np.ndarray], str]
PutFile = Callable[[dict[str, np.ndarray], dict[str, Any]], str]


def pack_node(node: Node | None, put: Put, put_file: PutFile) -> dict[str, Any] | None:
    """Plain JSON of `node`; arrays go through `put` and whole segments through `put_file`, which return the keys that the JSON then holds."""
    if node is None:
        return None
    return {"id": node.id, "parent": node.parent, "kind": node.kind, "name": node.name, "payload": _pack(node.payload, put, put_file),
            "made_by": node.made_by, "created": node.created, "style": plain(node.style)}


def unpack_node(data: Mapping[str, Any] | None, get: Callable[[str], np.ndarray], get_file: Callable[[str], Any]) -> Node | None:
    """The node that `pack_node` wrote. ReadError when a part is missing."""
    if data is None:
        return None
    try:
        payload = _unpack(data["payload"], get, get_file)
        return Node(data["id"], data["parent"], data["kind"], data["name"], payload, data["made_by"], float(data["created"]), data["style"])
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError(f"A node of the project is damaged: {error!r}.", hint="Restore the project from a copy.") from error


def array_keys(data: Any) -> set[str]:
    """Every array and segment key that packed JSON refers to."""
    if isinstance(data, Mapping):
        own = {data[name] for name in ("$array", "$segment") if isinstance(data.get(name), str)}
        return own.union(*(array_keys(item) for item in data.values()), set())
    if isinstance(data, list):
        return set().union(*(array_keys(item) for item in data), set())
    return set()


def _pack(value: Any, put: Put, put_file: PutFile) -> Any:
    if isinstance(value, Structure):
        described = value.with_(numbers=[], positions=np.zeros((0, 3)), arrays={}).to_dict()
        return {"$type": "structure", "numbers": {"$array": put(value.numbers)}, "positions": {"$array": put(value.positions)}, "cell": value.cell.tolist(),
                "pbc": value.pbc.tolist(), "arrays": {name: {"$array": put(item)} for name, item in value.arrays.items()}, "info": described["info"],
                "constraints": described["constraints"]}
    if isinstance(value, GridField):
        return {"$type": "field", "values": {"$array": put(value.values)}, "cell": value.cell.tolist(), "unit": value.unit, "name": value.name,
                "origin": list(value.origin)}
    if isinstance(value, Trajectory):
        return {"$type": "trajectory", "name": value.name, "segments": [{"$segment": put_file(arrays, meta)} for arrays, meta in value.packed()]}
    if isinstance(value, np.ndarray):
        return {"$array": put(value)}
    if isinstance(value, Mapping):
        return {str(key): _pack(item, put, put_file) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(item, put, put_file) for item in value]
    return plain(value)


def _unpack(value: Any, get: Callable[[str], np.ndarray], get_file: Callable[[str], Any]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, get, get_file) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "$array" in value:
        return get(value["$array"])
    kind = value.get("$type")
    if kind == "structure":
        arrays = {name: get(item["$array"]) for name, item in value["arrays"].items()}
        numbers, positions = get(value["numbers"]["$array"]), get(value["positions"]["$array"])
        return Structure(numbers, positions, value["cell"], value["pbc"], arrays, value["info"], tuple(value["constraints"]))
    if kind == "field":
        return GridField(get(value["values"]["$array"]), np.array(value["cell"], float), value["unit"], value["name"], tuple(value["origin"]))
    if kind == "trajectory":
        return Trajectory.from_segments([get_file(item["$segment"]) for item in value["segments"]], value["name"])
    return {key: _unpack(item, get, get_file) for key, item in value.items()}
