"""Others judge our OpenADR 3: an independent client, and a tester of APIs with the specification's own file.

The last takes longer than a unit test may: it sends some hundred requests made from the specification to a real server.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openadr3_client import BlClient, VenClient
from openadr3_client.notifications import WebhookChannel

from tests.api_service import GRID, RunningApi, until
from tests.openadr_rig import SECRETS, RunningVtn, event_words, running_vtn
from tests.openadr_spec import SPEC_PATH, mended_spec


@pytest.fixture(scope="module")
def vtn(api: RunningApi) -> Iterator[RunningVtn]:
    with running_vtn(api, refusals_max=100_000) as running:
        yield running


def _client(kind: type[Any], vtn: RunningVtn, name: str) -> Any:
    return kind(url=vtn.url, client_id=name, client_secret=SECRETS[name][0])


def test_an_independent_client_registers_subscribes_and_hears_of_events(vtn: RunningVtn) -> None:
    hook = WebhookChannel(host="127.0.0.1", bearer_token="of the site")  # noqa: S106  made up
    hook.start()
    with _client(VenClient, vtn, "site.a") as ven, _client(BlClient, vtn, "market") as market:
        ven.register("independent")
        assert ven.ven_id == ven.register("independent").ven_id
        program = market.create_program({"programName": "independent tariff"}).json()["id"]
        place = {"objects": ["EVENT"], "operations": ["CREATE", "UPDATE", "DELETE"], "callbackUrl": hook.callback_url}
        subscribed = ven.create_subscription(
            {"clientName": "independent", "programID": program, "objectOperations": [{**place, "bearerToken": "of the site"}]}
        )
        assert subscribed.status_code == 201
        made = market.create_event(event_words(program, "PRICE", 0.31, targets=None)).json()
        market.update_event(made["id"], event_words(program, "PRICE", 0.32, targets=None))
        market.delete_event(made["id"])
        market.create_program({"programName": "not subscribed to"})
        heard = [message.payload for message in hook.await_messages(3, timeout=10.0)]
        hook.stop()
        ven.delete_subscription(subscribed.json()["id"])
    assert [(one.operation, one.object_type) for one in heard] == [(o, "EVENT") for o in ("CREATE", "UPDATE", "DELETE")]
    assert [float(one.object.intervals[0].payloads[0].values[0]) for one in heard[:2]] == [0.31, 0.32]


def test_an_independent_client_calls_the_park_and_reads_what_became_of_it(vtn: RunningVtn) -> None:
    with _client(BlClient, vtn, "operator") as operator:
        program = operator.find_program_by_name("park")
        made = operator.create_event(event_words(program.id, eventName="by another's client")).json()
        event = operator.event(made["id"])
        assert event.program_id == program.id

        def reported() -> list[Any]:
            return [one for one in operator.reports() if one.event_id == made["id"]]

        report = until(reported)[0]
        assert {row.resource_name for row in report.resources} == {GRID}
        operator.delete_event(made["id"])


def _ids(vtn: RunningVtn) -> dict[str, list[str]]:
    """Some objects of the market and of a site, so that paths and links lead somewhere."""
    market, site = vtn.as_("market"), vtn.as_("site.a")
    program = market.post("/programs", json={"programName": f"drawn {vtn.token('market')[-12:]}"}).json()["id"]
    event = market.post("/events", json=event_words(program, "PRICE", 0.3, targets=None)).json()["id"]
    ven = site.post("/vens", json={"objectType": "VEN_VEN_REQUEST", "venName": f"drawn {event}"}).json()["id"]
    words = {"objectType": "VEN_RESOURCE_REQUEST", "resourceName": "meter", "venID": ven}
    resource = site.post("/resources", json=words).json()["id"]
    report = site.post("/reports", json={"eventID": event, "clientName": "a", "resources": []}).json()["id"]
    subscription = site.post("/subscriptions", json={"clientName": "a", "objectOperations": []}).json()["id"]
    return {
        "programID": [program],
        "eventID": [event],
        "venID": [ven],
        "resourceID": [resource],
        "reportID": [report],
        "subscriptionID": [subscription],
    }


@pytest.mark.skipif(not SPEC_PATH.exists(), reason="no copy of the specification here (../shared/specs/openadr3)")
@pytest.mark.parametrize("name", ["market", "site.a"])
def test_the_server_keeps_to_the_specification(vtn: RunningVtn, tmp_path: Path, name: str) -> None:
    spec = tmp_path / "openadr3.yaml"
    spec.write_text(yaml.safe_dump(mended_spec(_ids(vtn))), encoding="utf-8")
    command = [Path(sys.executable).with_name("schemathesis"), "run", spec, "--url", vtn.url, "--seed", "3"]
    command += ["--header", f"Authorization: Bearer {vtn.token(name)}", "--phases", "examples,fuzzing", "--max-examples", "1"]
    # A slow machine draws its requests slowly; that is no fault of the server.
    command += ["--continue-on-failure", "--warnings", "off", "--suppress-health-check", "all"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert ran.returncode == 0, ran.stdout[-6000:]
    assert "No issues found" in ran.stdout, ran.stdout[-2000:]
