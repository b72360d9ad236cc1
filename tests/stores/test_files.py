"""The file of an SQLite store: whose it is, who may read it, and what it still says after a SIGKILL."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vestibule.errors import StartError, StoreUnavailable
from vestibule.stores import engine, open_store
from vestibule.testing.records import NOW, a_client, a_session

posix = pytest.mark.skipif(os.name != "posix", reason="modes say nothing here")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
async def test_the_file_and_those_beside_it_are_ours_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = await open_store(f"sqlite:///{tmp_path / 'store.db'}")
        await store.clients.add(a_client())
        assert {path.name: mode(path) for path in tmp_path.iterdir()} == {
            "store.db": 0o600,
            "store.db-wal": 0o600,
            "store.db-shm": 0o600,
        }
        await store.close()
    finally:
        os.umask(before)


@posix
@pytest.mark.parametrize("part", ["store.db", "store.db-wal", "store.db-shm"])
@pytest.mark.parametrize("loose", [0o640, 0o604, 0o620, 0o602])
async def test_a_file_that_others_may_reach_is_refused(tmp_path: Path, part: str, loose: int) -> None:
    for name in ("store.db", part):
        (tmp_path / name).touch(0o600)
    (tmp_path / part).chmod(loose)
    with pytest.raises(StartError, match="other users") as refused:
        await open_store(f"sqlite:///{tmp_path / 'store.db'}")
    assert f"chmod 600 {tmp_path / part}" in refused.value.action


@pytest.mark.parametrize("part", ["store.db", "store.db-wal"])
async def test_a_symbolic_link_is_refused(tmp_path: Path, part: str) -> None:
    (tmp_path / "store.db").touch(0o600)
    (tmp_path / "elsewhere").touch(0o600)
    (tmp_path / part).unlink(missing_ok=True)
    (tmp_path / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError, match="symbolic link"):
        await open_store(f"sqlite:///{tmp_path / 'store.db'}")
    assert (tmp_path / "elsewhere").read_bytes() == b""


async def test_a_dangling_link_is_refused_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "store.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError, match="symbolic link"):
        await open_store(f"sqlite:///{tmp_path / 'store.db'}")
    assert not (tmp_path / "elsewhere").exists()


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can give a file away")
async def test_somebody_elses_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch(0o600)
    os.chown(path, 65534, -1)
    with pytest.raises(StartError, match="another user"):
        await open_store(f"sqlite:///{path}")


async def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="not a file"):
        await open_store(f"sqlite:///{tmp_path}")


async def test_a_missing_folder_is_made_for_us_alone(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'a' / 'b' / 'store.db'}")
    await store.close()
    if os.name == "posix":
        assert mode(tmp_path / "a" / "b") == 0o700


async def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"Dear diary, " * 500)
    path.chmod(0o600)
    with pytest.raises(StartError, match="damaged, or is not an SQLite database"):
        await open_store(f"sqlite:///{path}")
    assert path.read_bytes() == b"Dear diary, " * 500


async def test_a_truncated_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await open_store(f"sqlite:///{path}")
    await store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * 4096)
    with pytest.raises(StartError, match=r"damaged|belongs to another program|cannot be opened"):
        await (await open_store(f"sqlite:///{path}")).clients.get("client")


async def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE photos (id INTEGER)")
    theirs.close()
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(StartError, match="another program"):
        await open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


async def test_a_temporary_store_goes_with_the_process() -> None:
    for address in ("sqlite://", "sqlite:///:memory:"):
        store = await open_store(address)
        folder = store._temporary_folder
        assert folder is not None
        client = a_client()
        await store.clients.add(client)
        assert await store.clients.get(client.client_id) == client
        await store.close()
        assert not folder.exists()


async def test_acknowledged_writes_are_synced(tmp_path: Path) -> None:
    """WAL with FULL synchronisation: what is acknowledged survives a power cut, not only our own end."""
    store = await open_store(f"sqlite:///{tmp_path / 'store.db'}")
    async with store._database.write() as connection:
        pragmas = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]
    await store.close()


async def test_a_writer_of_another_process_is_waited_for_and_then_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 0.3)
    path = tmp_path / "store.db"
    store = await open_store(f"sqlite:///{path}")
    client = a_client()
    await store.clients.add(client)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    assert await store.clients.get(client.client_id) == client  # reading goes on
    with pytest.raises(StoreUnavailable) as refused:
        await store.sessions.add(a_session())
    assert "locked" in refused.value.detail
    release = threading.Timer(0.1, other.execute, ["COMMIT"])
    release.start()
    session = a_session()
    await store.sessions.add(session)
    assert await store.sessions.get(session.digest, now=NOW) == session
    release.join()
    other.close()
    await store.close()


WRITER = """
import asyncio, sys
from vestibule.stores import open_store
from vestibule.testing.records import a_client, a_grant, NOW

async def main():
    store = await open_store(sys.argv[1])
    for n in range(100_000):
        client = a_client(client_id=f"{sys.argv[2]}-{n}")
        grant = a_grant(grant_id=client.client_id)
        await store.clients.add(client)
        await store.grants.add(grant)
        await store.grants.revoke(grant.grant_id, now=NOW, tokens_expire_at=NOW)
        print(client.client_id, flush=True)

asyncio.run(main())
"""


def start_writer(address: str, turn: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, address, str(turn)], stdout=subprocess.PIPE, text=True)


async def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'store.db'}"
    acknowledged: list[str] = []
    for turn in range(3):
        with start_writer(address, turn) as writer:
            assert writer.stdout is not None
            acknowledged += [writer.stdout.readline().strip() for _ in range(5 + 7 * turn)]
            await asyncio.sleep(0.003 * turn)
            writer.send_signal(signal.SIGKILL)
            acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    store = await open_store(address)
    for client_id in acknowledged:
        assert await store.clients.get(client_id) is not None
        grant = await store.grants.get(client_id)
        assert grant is not None
        assert grant.revoked_at == NOW
    await store.close()
