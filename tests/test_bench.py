"""The benchmark's pieces work: nothing here says how fast anything is."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench.bench import Bench, Pace, open_bench
from bench.goals import GOALS, as_rows
from bench.machine import Missing
from bench.measures import MEASURES, throughput
from bench.measures.profile import shares
from bench.page import IMAGES, PAGE, write_page
from bench.peers import PEERS
from bench.requests import call, listen
from bench.results import Results
from bench.samples import Sample, Samples

_SHORT = Pace(seconds=0.2, rounds=1, is_quick=True)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench(_SHORT) as bench:
        bench.measure = "throughput"
        yield bench


@pytest.mark.slow
def test_a_real_gateway_is_measured_beside_its_upstream(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "NAMES", ("direct", "vestibule, calls: denied"))
    throughput.measure(bench)
    direct, ours = bench.samples
    assert bench.missing == {}
    assert direct.figures["per_second"] > 0
    assert ours.figures["per_second"] > 0
    assert ours.figures["errors"] == 0
    assert ours.figures["rss"] > 10


def test_requests_that_come_at_a_rate_are_all_answered(bench: Bench) -> None:
    with bench.upstream() as upstream, bench.peers(("direct",), upstream) as peers:
        found = bench.at_rate(peers["direct"], bench.request(call(upstream)), 500).figures
    assert found.errors == 0
    assert found.statuses == {"200": found.done}
    assert 0 < found.p50_ms <= found.p99_ms <= found.max_ms


def test_large_bodies_go_both_ways_whole(bench: Bench) -> None:
    size = 3 << 20
    with bench.upstream() as upstream:
        up = bench.load.run("closed", _one(bench, upstream, call(upstream, size=size)))
        down = bench.load.run("closed", _one(bench, upstream, call(upstream, name=f"answer-{size}")))
    assert up.bytes_out >= size
    assert down.bytes_in >= size
    assert up.errors == down.errors == 0


def test_events_are_counted_on_streams_that_stay_open(bench: Bench) -> None:
    with bench.upstream(events=200) as upstream:
        options = {"port": upstream, "request": bench.request(listen(upstream)), "connections": 20}
        with bench.load.streams(options) as streams:
            time.sleep(0.2)
            found = streams.end()
    assert (streams.opened, streams.failed, found.lost) == (20, 0, 0)
    assert found.done > 0


def test_a_wrong_answer_is_no_figure(bench: Bench) -> None:
    with bench.upstream() as upstream:
        found = bench.load.run("closed", {**_one(bench, upstream, call(upstream)), "status": 202})
    with pytest.raises(RuntimeError, match="answers were wrong"):
        found.check()


def test_what_is_not_there_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(stage: object) -> None:
        raise Missing("it is not installed: apt-get install it")

    monkeypatch.setitem(PEERS, "nginx", start)
    with bench.peers(("nginx",), 1) as peers:
        assert peers == {}
    assert bench.missing == {"throughput: nginx": "it is not installed: apt-get install it"}


def test_a_ratio_is_made_within_a_round() -> None:
    found = Samples([_sample("nginx", 0, 100), _sample("ours", 0, 50), _sample("nginx", 1, 10), _sample("ours", 1, 6)])
    spread = found.spread("throughput", "ours", "per_second", to="nginx")
    assert spread is not None
    assert (spread.least, spread.most) == (0.5, 0.6)
    assert found.spread("throughput", "absent", "per_second") is None


def test_a_measure_can_be_taken_anew(tmp_path: Path) -> None:
    old = Results("Long.", [_sample("nginx", 0, 1), Sample("events", "nginx", "", 0, {})], {"throughput: us": "gone"})
    old.write(tmp_path / "results.json")
    newer = Results("Briefly.", [_sample("nginx", 0, 2)], {})
    found = Results.read(tmp_path / "results.json").with_newer(newer, ["throughput"])
    assert found.samples == [old.samples[1], newer.samples[0]]
    assert found.missing == {}
    assert found.pace == "Long. throughput: Briefly."


def test_the_page_shows_every_measure_and_every_goal(tmp_path: Path) -> None:
    goals = [(goal.measure, goal.peer, goal.case) for goal in GOALS] + [
        (goal.measure, goal.to, goal.case) for goal in GOALS if goal.to
    ]
    places = dict.fromkeys([*goals, *((one.TABLE.measure, "vestibule", "") for one in MEASURES)])
    figures = {column.figure: 2.0 for one in MEASURES for column in one.TABLE.columns}
    samples = Samples([Sample(measure, peer, case, 0, figures) for measure, peer, case in places])
    write_page(samples, {"events: nginx": "not\nthere"}, "Briefly.", root=tmp_path)
    text = (tmp_path / PAGE).read_text()
    assert all(f"## {one.TABLE.title}" in text for one in MEASURES)
    assert "not measured" not in [row[3] for row in as_rows(samples)]
    pictures = list((tmp_path / IMAGES).iterdir())
    assert all(ElementTree.parse(picture).getroot().tag.endswith("svg") for picture in pictures)
    assert all(f"images/{picture.name}" in text for picture in pictures)


def test_a_profile_names_the_innermost_functions() -> None:
    stacks = "run (uvloop/__init__.py);a (x/vestibule/gateway/lane.py) 3\nrun (uvloop/__init__.py) 1"
    assert shares(stacks) == [("gateway/lane.py a", 0.75), ("the loop", 0.25)]


def _one(bench: Bench, port: int, content: bytes) -> dict[str, object]:
    return {"port": port, "request": bench.request(content), "connections": 1, "limit": 1, "seconds": 10}


def _sample(peer: str, turn: int, rate: float) -> Sample:
    return Sample("throughput", peer, "", turn, {"per_second": rate, "p99_ms": math.nan})
