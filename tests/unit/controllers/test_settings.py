from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controllers.settings import ClockSettings, Settings, client_settings, load_settings
from controllers.token_secret import token_secret
from vpp.errors import SettingsError


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "vpp.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _faults(path: Path | None = None, **more: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, **more)  # type: ignore[arg-type]
    return caught.value.faults


def test_without_a_word_it_listens_on_this_machine_alone_and_keeps_its_ledger_in_the_state_folder() -> None:
    settings = load_settings(environment={})
    assert (settings.api.host, settings.api.port) == ("127.0.0.1", 8080)
    assert settings.store_url == f"sqlite:///{Path('out/state').absolute()}/vpp.sqlite3"
    assert settings.broker.url is None


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    path = _file(tmp_path, 'language = "en"\nstate_dir = "a"\n[api]\nport = 1\nhost = "0.0.0.0"\n')
    settings = load_settings(
        path, environment={"VPP_API_PORT": "2", "VPP_STATE_DIR": "b"}, given={"api": {"port": 3, "host": None}}
    )
    assert (settings.api.port, settings.api.host) == (3, "0.0.0.0")
    assert (settings.state_dir, settings.language) == (Path("b"), "en")


def test_all_faults_come_at_once_each_with_where_key_value_and_rule(tmp_path: Path) -> None:
    path = _file(tmp_path, 'langauge = "en"\n[api]\nport = 99999\n')
    faults = _faults(path, environment={"VPP_CONTROL_S": "soon"})
    assert faults == (
        "VPP_CONTROL_S: control_s: 'soon': input should be a valid number, unable to parse string as a number",
        f"{path}: api.port: 99999: input should be less than or equal to 65535",
        f"{path}: langauge: 'en': no such setting",
    )


def test_a_file_that_is_no_toml_and_one_that_is_not_there_are_each_one_line(tmp_path: Path) -> None:
    assert _faults(_file(tmp_path, "park: seeds"))[0].startswith(f"{tmp_path}/vpp.toml: no TOML: ")
    assert _faults(tmp_path / "none.toml") == (f"{tmp_path}/none.toml: No such file or directory",)


def test_a_time_zone_that_does_not_exist_is_refused() -> None:
    assert _faults(environment={"VPP_ZONE": "Mars/Base"})[0].startswith("VPP_ZONE: zone: 'Mars/Base': no such time zone")


def test_a_password_is_shown_neither_by_the_settings_nor_by_a_fault() -> None:
    settings = load_settings(environment={"VPP_BROKER_URL": "mqtt://u:hush@h", "VPP_STORE_URL": "postgresql://u:hush@h/d"})
    assert "hush" not in repr(settings)
    assert "hush" not in str(_faults(given={"broker": {"url": ["mqtt://u:hush@h"]}}))


def test_certificates_that_cannot_be_read_are_named() -> None:
    broker = load_settings(environment={"VPP_BROKER_CA_FILE": "/none/ca.pem"}).broker
    with pytest.raises(SettingsError, match="broker: certificates cannot be read"):
        broker.tls()


def test_processes_with_the_same_clock_settings_share_park_time() -> None:
    start = datetime(2030, 10, 1, tzinfo=UTC)
    settings = ClockSettings(speed=60.0, start=start, began_s=0.0)
    one, other = settings.clock(), settings.clock()
    assert abs(one.now() - other.now()) < timedelta(seconds=1)
    assert one.now() > start


def test_the_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: token_secret(tmp_path / "state"), range(32)))
    assert len(secrets) == 1
    assert len(secrets.pop()) == 32
    files = list((tmp_path / "state").iterdir())
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600]


def test_a_secret_that_others_may_read_is_none(tmp_path: Path) -> None:
    token_secret(tmp_path)
    (tmp_path / "token.secret").chmod(0o644)
    with pytest.raises(SettingsError, match="others may read it"):
        token_secret(tmp_path)


def test_a_state_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="give a folder that can be written"):
        token_secret(tmp_path / "file")


def test_a_command_finds_the_service_of_this_machine_without_a_word() -> None:
    assert client_settings(environment={"VPP_API_PORT": "9"}).url == "http://127.0.0.1:9"
    given = client_settings("http://vpp.example/", environment={"VPP_TOKEN": "t"})
    assert (given.url, given.token) == ("http://vpp.example", "t")


def test_the_default_settings_are_what_an_empty_file_says(tmp_path: Path) -> None:
    assert load_settings(_file(tmp_path, ""), environment={}) == Settings()
