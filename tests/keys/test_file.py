"""The ring's file: made once, ours alone, never half there."""

import json
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vestibule.errors import StartError
from vestibule.keys import KeyRing, load_or_create

NOW = datetime(2026, 11, 21, 4, 22, tzinfo=UTC)

posix = pytest.mark.skipif(os.name != "posix", reason="modes say nothing here")


def load(path: Path) -> KeyRing:
    return load_or_create(path, clock=lambda: NOW, entropy=os.urandom)


def write(path: Path, document: object) -> None:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(0o600)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def document(path: Path) -> Any:
    load(path)
    return json.loads(path.read_text())


def test_it_is_made_at_the_first_start_and_used_at_the_next(path: Path) -> None:
    sealed = load(path).seal("purpose", b"secret")
    before = path.read_bytes()
    assert load(path).open("purpose", sealed) == b"secret"
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["keys.json"]


def test_it_tells_id_age_and_state_of_each_key(path: Path, document: Any) -> None:
    [key] = document["keys"]
    assert document["version"] == 1
    assert (key["created_at"], key["state"]) == (int(NOW.timestamp()), "active")
    assert [key["id"]] == list(load(path).check_values())


@posix
@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_only_its_owner_may_read_it_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        load(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o610, 0o666])
def test_one_that_others_may_reach_is_refused(path: Path, mode: int) -> None:
    load(path)
    path.chmod(mode)
    with pytest.raises(StartError, match=f"mode {mode:04o}") as refused:
        load(path)
    assert f"chmod 600 {path}" in refused.value.action


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_is_refused(path: Path) -> None:
    load(path)
    os.chown(path, 65534, -1)
    with pytest.raises(StartError, match="another user"):
        load(path)


def test_a_symbolic_link_is_refused_and_not_followed(path: Path, tmp_path: Path) -> None:
    load(tmp_path / "real.json")
    path.symlink_to(tmp_path / "real.json")
    with pytest.raises(StartError, match="symbolic link"):
        load(path)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere.json")
    with pytest.raises(StartError, match="symbolic link"):
        load(path)
    assert not (tmp_path / "nowhere.json").exists()


@posix
def test_a_folder_and_a_pipe_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="not a file"):
        load(tmp_path)
    os.mkfifo(path, 0o600)
    with pytest.raises(StartError, match="not a file"):
        load(path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot be used"):
        load(tmp_path / "file" / "keys.json")


def test_a_missing_folder_is_made_for_us_alone(tmp_path: Path) -> None:
    load(tmp_path / "a" / "keys.json")
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_several_keys_with_states_are_read(path: Path, tmp_path: Path, document: Any) -> None:
    load(tmp_path / "other.json")
    newer = json.loads((tmp_path / "other.json").read_text())["keys"][0]
    newer["created_at"] += 60
    write(path, {**document, "keys": [document["keys"][0], {**newer, "state": "accepted"}]})
    ring = load(path)
    assert len(ring.check_values()) == 2
    assert ring.seal("purpose", b"")[1:5].hex() == document["keys"][0]["id"]
    write(path, {**document, "keys": [document["keys"][0], newer]})
    assert load(path).seal("purpose", b"")[1:5].hex() == newer["id"]


def test_a_damaged_file_is_refused_with_a_place_and_no_value(path: Path, document: Any) -> None:
    [key] = document["keys"]
    damages: list[object] = [
        "",
        "{",
        "null",
        "[]",
        "\x00\xff",
        {},
        {**document, "keys": []},
        {**document, "keys": [{**key, "state": "accepted"}]},
        {**document, "keys": [key, key]},
        {**document, "keys": [{**key, "state": "actvie"}]},
        {**document, "keys": [{**key, "id": "00000000"}]},
        {**document, "keys": [{**key, "secret": key["secret"][:-8]}]},
        {**document, "keys": [{**key, "secret": "A" + key["secret"][1:]}]},
        {**document, "keys": [{**key, "created_at": "yesterday"}]},
        {**document, "keys": [{**key, "extra": 1}]},
        path.read_text()[:-20],
    ]
    for damage in damages:
        write(path, damage)
        with pytest.raises(StartError, match="cannot be read") as refused:
            load(path)
        assert key["secret"][:12] not in f"{refused.value!r} {refused.value.action} {refused.value.detail}"
        assert "backup" in refused.value.action


def test_a_newer_format_is_refused_and_not_touched(path: Path, document: Any) -> None:
    write(path, {**document, "version": 2})
    before = path.read_bytes()
    with pytest.raises(StartError, match="version 2"):
        load(path)
    assert path.read_bytes() == before


def test_threads_that_start_at_once_get_one_ring(path: Path) -> None:
    rings: list[KeyRing] = []
    start = threading.Barrier(8)

    def run() -> None:
        start.wait()
        rings.append(load(path))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rings) == 8
    assert len({tuple(ring.check_values()) for ring in rings}) == 1
    assert [found.name for found in path.parent.iterdir()] == ["keys.json"]


def test_a_start_that_is_killed_leaves_a_whole_ring_or_none(path: Path) -> None:
    program = (
        "import os, signal, sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from vestibule.keys import load_or_create\n"
        "real = getattr(os, sys.argv[2])\n"
        "def die(*args, **options): os.kill(os.getpid(), signal.SIGKILL)\n"
        "setattr(os, sys.argv[2], die)\n"
        "load_or_create(Path(sys.argv[1]), clock=lambda: datetime.now(UTC), entropy=os.urandom)\n"
    )
    for step in ("fsync", "link"):
        subprocess.run([sys.executable, "-c", program, str(path), step], check=False)
        assert not path.exists()
    assert load(path).check_values() == load(path).check_values()
