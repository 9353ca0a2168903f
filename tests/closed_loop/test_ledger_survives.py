"""The shipped service while its ledger cannot be written: a full disk, and a PostgreSQL that is killed and begun again.

The park runs on as if nothing had been, and afterwards nothing is missing in the ledger.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controllers.edge import Phase
from controllers.store import AlarmRow, Store, open_store
from tests.database import database
from tests.live_rig import BESS, LiveRig, live_rig
from vpp.errors import StoreError

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
AWAY = timedelta(minutes=3)
#: The battery speaks at every step of the control.
STEP = timedelta(seconds=5)
#: A device that hears nothing for fifteen seconds goes to its fallback: slow enough that a busy machine does not take that long.
SPEED = 15.0
#: What a disk has left that is full.
FULL_BYTES = 4_096


@dataclass
class Story:
    """What was seen."""

    began: datetime
    ended: datetime
    acted: int = 0
    reported: list[datetime] = field(default_factory=list)
    phases: set[Phase] = field(default_factory=set)
    newest_meanwhile: datetime | None = None
    times: list[datetime] = field(default_factory=list)
    alarm: AlarmRow | None = None
    lost: list[AlarmRow] = field(default_factory=list)
    audit_faults: list[str] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)
    violation_s: float = -1.0
    unsafe_s: float = -1.0


@asynccontextmanager
async def _full_disk(folder: Path) -> AsyncIterator[tuple[LiveRig, Callable[[], None], Callable[[], None]]]:
    """No file of the controller may grow any further: what the system refuses, it refuses as a full disk does."""
    async with live_rig(folder, speed=SPEED) as rig:

        def limit(size: int) -> None:
            resource.prlimit(rig.family.pids["controller"], resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        yield rig, lambda: limit(FULL_BYTES), lambda: limit(resource.RLIM_INFINITY)


@asynccontextmanager
async def _killed_postgres(folder: Path) -> AsyncIterator[tuple[LiveRig, Callable[[], None], Callable[[], None]]]:
    with database() as server:
        async with live_rig(folder, store_url=server.url, speed=SPEED) as rig:
            yield rig, server.kill, server.start


FAULTS = {"disk full": _full_disk, "PostgreSQL killed": _killed_postgres}


async def told(fault: str, folder: Path) -> Story:
    async with FAULTS[fault](folder) as (rig, takes_away, gives_back):
        await rig.until(lambda: rig.edge().counters.acted > 2, "the battery follows")
        with closing(await asyncio.to_thread(open_store, rig.settings.store_url)) as store:
            await rig.until(lambda: _newest(store) is not None, "the ledger is written")
            begun = rig.clock.now()
            await rig.until(lambda: rig.clock.now() > begun + MINUTE, "a minute before")
            story, acted = Story(rig.clock.now(), rig.clock.now()), rig.edge().counters.acted
            await asyncio.to_thread(takes_away)
            await rig.until(lambda: _over(story, rig), "three minutes without")
            story.acted = rig.edge().counters.acted - acted
            story.newest_meanwhile, story.ended = _newest(store), rig.clock.now()
            await asyncio.to_thread(gives_back)
            until = rig.clock.now() + MINUTE
            await rig.until(lambda: _is_back(store, until), "the ledger is written again")
            alarms = {row.key: row for row in store.alarms_open()}
            story.alarm, story.lost = alarms.get("ledger.away"), [row for key, row in alarms.items() if key == "ledger.lost"]
            times, values = store.series(BESS, "power_mw", begun, until, SECOND)
            story.reported = [at for at in rig.reported if begun < at < until]
            story.times = [at for at, value in zip(times, values, strict=True) if value == value]
            story.audit_faults = list(store.chain_faults())
        story.restarts = dict(rig.family.restarts)
        truth = rig.site.world.truth()
        story.violation_s, story.unsafe_s = sum(truth.limit_violation_s.values()), truth.unsafe_s
    return story


def _over(story: Story, rig: LiveRig) -> bool:
    """Looks at the battery after every step of the world."""
    story.phases.add(rig.edge().phase)
    return rig.clock.now() > story.began + AWAY


def _newest(store: Store) -> datetime | None:
    try:
        row = store.latest().get((BESS, "power_mw"))
    except StoreError:  # away
        return None
    return None if row is None else row.measured_at


def _is_back(store: Store, until: datetime) -> bool:
    newest = _newest(store)
    if newest is None or newest < until:
        return False
    return any(row.key == "ledger.away" and row.cleared_at is not None for row in store.alarms_open())


@pytest.fixture(scope="module", params=FAULTS)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return asyncio.run(told(request.param, tmp_path_factory.mktemp("ledger")))


def test_nothing_was_written_while_it_was_away(story: Story) -> None:
    # What was under way when it was taken away may still have come through.
    assert story.newest_meanwhile is None or story.newest_meanwhile <= story.began + 4 * STEP


def test_devices_follow_as_if_nothing_had_been(story: Story) -> None:
    assert story.phases == {Phase.HELD}
    assert story.acted > AWAY / MINUTE


def test_no_reading_is_missing_afterwards(story: Story) -> None:
    # Against what the world told, which on a busy machine is not every step.
    assert len(story.reported) > AWAY / MINUTE
    missing = [at for at in story.reported if not any(timedelta() <= at - start < SECOND for start in story.times)]
    assert missing == []
    assert story.lost == []


def test_it_is_an_alarm_from_when_it_began_to_when_it_was_over(story: Story) -> None:
    assert story.alarm is not None
    assert story.alarm.cleared_at is not None
    assert story.began <= story.alarm.raised_at <= story.began + MINUTE
    assert story.ended <= story.alarm.cleared_at <= story.ended + 10 * MINUTE


def test_the_audit_is_whole(story: Story) -> None:
    assert story.audit_faults == []


def test_nobody_lent_a_hand_and_no_part_was_begun_again(story: Story) -> None:
    assert story.restarts == {}


def test_no_limit_was_passed_and_nothing_was_unsafe(story: Story) -> None:
    assert (story.violation_s, story.unsafe_s) == (0.0, 0.0)
