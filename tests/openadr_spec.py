"""The specification's own OpenAPI file, with the few places mended where it contradicts itself or clients in the field.

Each change is named, so that whoever reads a green run knows what it was measured against.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

SPEC_PATH = Path(__file__).resolve().parents[2] / "shared" / "specs" / "openadr3" / "openadr3-3.1.1.yaml"


def mended_spec(ids: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The file as a document that can be kept.

    1. `ven` and `resource` are `allOf` of a part that wants objectType VEN or RESOURCE and one that wants BL_..._REQUEST: no
       answer could be both, the second is dropped.
    2. `null` is taken in every optional field, because clients send it; the file allows it only in some.
    3. A VEN of a name that is taken is answered 409 as on update; creation has no such answer in the file. PUT and DELETE of
       some objects lack 401 and 403 there.
    4. Webhook addresses are drawn from two that may be called here; any URI would be fair by the file, and we refuse most.
    5. Every POST and PUT needs its body, and a program's description is an object; the file forgets to say so.
    6. Topics of MQTT are left out: this server has no such binding, and answers 404 to all of them.

    Args:
        ids: By the name of an id, as in `programID`, objects that are there, so that paths lead somewhere.
    """
    document: dict[str, Any] = yaml.safe_load(SPEC_PATH.read_text(encoding="utf-8"))
    schemas, paths = document["components"]["schemas"], document["paths"]
    mend_answers(document)
    schemas["programRequest"]["properties"]["programDescriptions"]["items"]["type"] = "object"
    for schema in schemas.values():
        _take_null(schema)
    paths["/subscriptions"]["post"].pop("callbacks")
    for name in [one for one in paths if one.startswith("/notifiers/mqtt")]:
        paths.pop(name)
    paths["/vens"]["post"]["responses"]["409"] = {"$ref": "#/components/responses/conflict"}
    for path in paths.values():
        _mend_path(path)
        for parameter in path.get("parameters", ()):
            parameter["schema"] = {"type": "string", "enum": [*ids.get(parameter["name"], ()), "not-there"]}
    _draw(document, ids)
    return document


def mend_answers(document: dict[str, Any]) -> dict[str, Any]:
    """The first point of `mended_spec` alone, which says nothing about requests."""
    schemas = document["components"]["schemas"]
    for name, request in (("ven", "BlVenRequest"), ("resource", "BlResourceRequest")):
        answered = copy.deepcopy(schemas[request])
        answered["properties"].pop("objectType")
        answered["required"].remove("objectType")
        # The file has a stray dash behind a default of null, which makes it a text.
        answered["properties"]["targets"]["default"] = None
        schemas[name]["allOf"] = [{"$ref": "#/components/schemas/objectMetadata"}, answered]
    return document


def _draw(document: dict[str, Any], ids: Mapping[str, Sequence[str]]) -> None:
    """What is sent leans on objects that are there; what is answered may lean on any."""
    schemas = document["components"]["schemas"]
    sent = {name: copy.deepcopy(schemas[name]) for name in ("eventRequest", "reportRequest", "subscriptionRequest")}
    sent["eventRequest"]["properties"]["programID"] = {"type": "string", "enum": list(ids["programID"])}
    sent["reportRequest"]["properties"]["eventID"] = {"type": "string", "enum": list(ids["eventID"])}
    places = sent["subscriptionRequest"]["properties"]["objectOperations"]["items"]["properties"]
    places["callbackUrl"] = {"type": "string", "enum": ["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"]}
    for path in document["paths"].values():
        for method in ("post", "put"):
            for content in path.get(method, {}).get("requestBody", {}).get("content", {}).values():
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                content["schema"] = sent.get(name, content["schema"])


def _mend_path(path: dict[str, Any]) -> None:
    for method in ("get", "post", "put", "delete"):
        operation = path.get(method, {})
        if "requestBody" in operation:
            operation["requestBody"]["required"] = True
        if "security" in operation:
            operation["responses"].setdefault("401", {"$ref": "#/components/responses/unauthorized"})
            operation["responses"].setdefault("403", {"$ref": "#/components/responses/forbidden"})


def _take_null(schema: dict[str, Any]) -> None:
    for name, value in schema.get("properties", {}).items():
        if name not in schema.get("required", ()):
            if "$ref" in value:
                schema["properties"][name] = {"nullable": True, "allOf": [value]}
            else:
                value["nullable"] = True
                if "enum" in value:
                    value["enum"] = [*value["enum"], None]
        if value.get("type") == "array" and isinstance(value.get("items"), dict):
            _take_null(value["items"])
        _take_null(value)
    for part in schema.get("allOf", ()):
        _take_null(part)
