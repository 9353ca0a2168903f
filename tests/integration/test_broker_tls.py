"""TLS with certificates on both sides, over a real broker and an authority of the test's own."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controllers.bus.acl import nats_authorization, write_private
from controllers.bus.broker import BrokerTls, EmbeddedBroker
from controllers.bus.mqtt import MqttSettings, connected_bus
from controllers.bus.rights import rights_of
from controllers.settings import BrokerSettings
from vpp.errors import BrokerError

ASSET = "bess.hongshan"
USER = f"asset.{ASSET}"
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to make certificates with")


@dataclass(frozen=True)
class Authority:
    """One that signs certificates, as a park company has its own."""

    folder: Path
    name: str

    @classmethod
    def made(cls, folder: Path, name: str) -> Authority:
        made = cls(folder, name)
        openssl("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", made.key, "-out", made.file)
        return made

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.crt"

    @property
    def key(self) -> Path:
        return self.folder / f"{self.name}.key"

    def signed(self, name: str, alternative: str) -> tuple[Path, Path]:
        """Certificate and key, whoever they are for."""
        stem = self.folder / f"{self.name}-{name}"
        request, certificate, key, extra = (stem.with_name(f"{stem.name}.{end}") for end in ("csr", "crt", "key", "ext"))
        extra.write_text(f"subjectAltName={alternative}\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signer = ("-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", request, *signer, "-extfile", extra, "-out", certificate)
        return certificate, key

    def context(self, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """As the service and the edge make theirs, out of files."""
        file, key = certificate or (None, None)
        context = BrokerSettings(ca_file=self.file, certificate_file=file, key_file=key).tls()
        assert context is not None
        return context


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@dataclass(frozen=True)
class Papers:
    """Everybody's certificates."""

    ours: Authority
    theirs: Authority
    broker: tuple[Path, Path]
    controller: tuple[Path, Path]
    device: tuple[Path, Path]
    stranger: tuple[Path, Path]


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder = tmp_path_factory.mktemp("papers")
    ours, theirs = Authority.made(folder, "ours"), Authority.made(folder, "theirs")
    named = {name: ours.signed(name, f"DNS:{name}") for name in ("controller", USER)}
    broker = ours.signed("broker", "IP:127.0.0.1")
    return Papers(ours, theirs, broker, named["controller"], named[USER], theirs.signed("stranger", f"DNS:{USER}"))


def settings(context: ssl.SSLContext) -> MqttSettings:
    return MqttSettings(first_retry_s=0.02, last_retry_s=0.1, timeout_s=0.5, tls=context)


@asynccontextmanager
async def broker(folder: Path, papers: Papers, *, asks: bool = False, rights: bool = False) -> AsyncIterator[EmbeddedBroker]:
    context = papers.ours.context(papers.controller)
    tls = BrokerTls(*papers.broker, context, client_ca_file=papers.ours.file if asks else None, maps_users=rights)
    running = EmbeddedBroker(folder / "broker", tls=tls, rights_file=_rights_file(folder) if rights else None)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def _rights_file(folder: Path) -> Path:
    write_private(folder / "rights.conf", nats_authorization(rights_of("p", assets=[ASSET], clusters=(), gateways={}), None))
    return folder / "rights.conf"


async def test_over_tls_a_message_goes_there_and_back(tmp_path: Path, papers: Papers) -> None:
    seen: list[bytes] = []
    async with broker(tmp_path, papers) as running:
        assert running.url.startswith("mqtts://")
        async with connected_bus(running.url, "one", settings=settings(papers.ours.context())) as bus:
            bus.subscribe("vpp/v1/p/x", lambda _topic, payload: seen.append(payload))
            bus.post("vpp/v1/p/x", b"secret")
            await bus.flush()
    assert seen == [b"secret"]


async def test_a_broker_whose_authority_we_do_not_know_is_refused_in_one_line(tmp_path: Path, papers: Papers) -> None:
    async with broker(tmp_path, papers) as running:
        with pytest.raises(BrokerError, match=r"its certificate is not trusted: .*; check ca_file and the host name") as refused:
            async with connected_bus(running.url, "one", settings=settings(papers.theirs.context())):
                pytest.fail("it was trusted")
    assert "\n" not in str(refused.value)


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path, papers: Papers) -> None:
    async with broker(tmp_path, papers) as running:
        elsewhere = running.url.replace("127.0.0.1", "localhost")
        with pytest.raises(BrokerError, match="not valid for 'localhost'"):
            async with connected_bus(elsewhere, "one", settings=settings(papers.ours.context())):
                pytest.fail("it was trusted")


@pytest.mark.parametrize("who", ["nobody", "stranger"])
async def test_a_client_without_the_right_certificate_is_refused_in_one_line(tmp_path: Path, papers: Papers, who: str) -> None:
    context = papers.ours.context(None if who == "nobody" else papers.stranger)
    async with broker(tmp_path, papers, asks=True) as running:
        with pytest.raises(BrokerError, match="refuses our certificate .* give certificate_file and key_file") as refused:
            async with connected_bus(running.url, "one", settings=settings(context)):
                pytest.fail("it was let in")
    assert "\n" not in str(refused.value)


async def test_a_client_with_its_certificate_is_let_in(tmp_path: Path, papers: Papers) -> None:
    ours = settings(papers.ours.context(papers.device))
    async with broker(tmp_path, papers, asks=True) as running, connected_bus(running.url, "one", settings=ours) as bus:
        await bus.flush()
        assert bus.counters.connections == 1


async def test_plain_text_on_the_port_of_tls_is_no_broker(tmp_path: Path, papers: Papers) -> None:
    async with broker(tmp_path, papers) as running:
        with pytest.raises(BrokerError, match="no MQTT broker answers"):
            async with connected_bus(running.url.replace("mqtts", "mqtt"), "one", settings=MqttSettings(timeout_s=0.5)):
                pytest.fail("it was let in")


async def test_tls_on_a_plain_port_says_what_to_check(tmp_path: Path, papers: Papers) -> None:
    plain = EmbeddedBroker(tmp_path / "plain")
    await plain.start()
    try:
        with pytest.raises(BrokerError, match="no MQTT broker answers .*; is it running, is this its port"):
            async with connected_bus(plain.url.replace("mqtt", "mqtts"), "one", settings=settings(papers.ours.context())):
                pytest.fail("it was let in")
    finally:
        await plain.stop()


async def test_by_its_certificate_alone_a_device_is_who_it_is_and_speaks_for_nobody_else(tmp_path: Path, papers: Papers) -> None:
    heard: list[str] = []
    async with broker(tmp_path, papers, asks=True, rights=True) as running:
        ours, theirs = (running.url.replace("://", f"://{user}@") for user in ("controller", USER))
        async with (
            connected_bus(ours, "controller", settings=settings(papers.ours.context(papers.controller))) as control,
            connected_bus(theirs, USER, settings=settings(papers.ours.context(papers.device))) as edge,
        ):
            control.subscribe("vpp/v1/p/#", lambda topic, _payload: heard.append(topic), qos=1)
            await control.flush()
            for asset in ("bess.other", ASSET):
                edge.post(f"vpp/v1/p/asset/{asset}/telemetry", b"x")
            await edge.flush()
            await control.flush()
    assert heard == [f"vpp/v1/p/asset/{ASSET}/telemetry"]
