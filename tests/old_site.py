"""A site with a client of OpenADR 2.0b, in a process of its own: prints what it is asked, opts in or out as it was told."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import Any

from openleadr import OpenADRClient


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def main(url: str, name: str, opt: str) -> None:
    client = OpenADRClient(ven_name=name, vtn_url=url, show_fingerprint=False)

    async def on_event(event: dict[str, Any]) -> str:
        (signal,) = event["event_signals"]
        values = [row["signal_payload"] for row in signal["intervals"]]
        say("event", event["event_descriptor"]["event_status"], signal["signal_name"], *values)
        return opt

    client.add_handler("on_event", on_event)
    client.add_handler("on_update_event", on_event)
    try:
        await client.run()
    except Exception as error:  # noqa: BLE001  what goes wrong is what the test wants to see
        say("failed", type(error).__name__, error)
        return
    say("registered", client.registration_id)
    client.poll_frequency = timedelta(seconds=1)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
