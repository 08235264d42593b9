"""What a viewer gets: whole states, in order, whatever it missed, and what a reload
would show.
"""

import http.client
import random
import threading
import time

import pytest
from django.db import connection, transaction

from apps.pipelines import engine
from apps.pipelines.projection import project
from tests.fixtures.workers import ended, eventually
from tests.pipelines.stream.rendering import part


def shown(run):
    """What a page that is loaded now would show, and its number."""
    projection = project(run.pk)
    return projection.seq, {
        "/".join(name): part(projection, *name) for name in projection.versions
    }


def assert_shows(watcher, run):
    seq, state = shown(run)
    watcher.until(seq)
    assert (watcher.seq, watcher.state) == (seq, state)
    assert watcher.ids == sorted(set(watcher.ids))


def test_a_worker_s_run_is_seen_to_its_end_by_early_late_and_returning_viewers(
    acme, watch, workers
):
    engine.cancel(acme.run)
    run = acme.start(send=True, items=4, pace=0.05, partial={"four": "It is away."})
    path = acme.path_of(run)
    early = [watch(path) for _ in range(3)]
    workers.start("--workers", "3")
    eventually(lambda: early[0].state.get("step/one", {}).get("state") in ("running", "done"))
    late, returning = watch(path), early[1]
    returning.close()
    back = watch(path, last=returning.seq, state=returning.state)
    eventually(ended(run))
    for watcher in (early[0], early[2], late, back):
        assert watcher.ended.wait(10)
        assert watcher.frames[-1].event == "done"
        assert watcher.frames[-1].data == "partial"
        assert_shows(watcher, run)
    assert not any('"whole": true' in frame.data for frame in back.frames)
    assert len({frame.data for frame in early[0].frames}) > 5


def test_a_viewer_with_its_page_s_number_gets_only_what_is_new(acme, watch):
    acme.say("a", "b", n=1)
    seq, state = shown(acme.run)
    watcher = watch(seq=seq, state=state)
    time.sleep(0.3)
    assert watcher.ids == []
    acme.say("b", n=2)
    assert_shows(watcher, acme.run)
    assert [frame.data.count("part/") for frame in watcher.frames if frame.id] == [1]


def test_the_id_of_the_last_frame_counts_more_than_the_page_s_number(acme, watch):
    first, seq = acme.say("a", n=1), acme.say("b", n=1)
    watcher = watch(seq=first - 1, last=first).until(seq)
    assert watcher.state == {"part/b": {"n": 1}}


@pytest.mark.parametrize("last", ["garbage", "-1", "1.5", "9" * 30, "99999", "\u0661"])
def test_a_number_from_elsewhere_means_everything(acme, watch, last):
    acme.say("a", n=1)
    watcher = watch(last=last)
    assert_shows(watcher, acme.run)
    assert '"whole": true' in watcher.frames[-1].data


def test_a_burst_reaches_every_viewer_though_frames_are_few(acme, watch):
    watchers = [watch().until(acme.run.seq) for _ in range(20)]
    for number in range(200):
        acme.say(f"p{number % 10}", n=number)
    for watcher in watchers:
        assert_shows(watcher, acme.run)


def test_nothing_is_lost_by_those_who_come_and_go_all_the_time(acme, web, watch):
    # `web` is there before the threads begin: fixtures are made by one thread.
    stop = threading.Event()
    problems = []

    def come_and_go(chance):
        seq, state = None, {}
        while not stop.is_set():
            watcher = watch(last=seq)
            time.sleep(chance.uniform(0, 0.05))
            watcher.close()
            if watcher.ids != sorted(set(watcher.ids)) or (
                seq and watcher.ids and watcher.ids[0] <= seq
            ):
                problems.append((seq, watcher.ids))
            if watcher.seq is not None:
                whole = any('"whole": true' in frame.data for frame in watcher.frames)
                seq, state = watcher.seq, watcher.state if whole else state | watcher.state
        finals.append(watch(last=seq, state=state))

    finals = []
    threads = [threading.Thread(target=come_and_go, args=(random.Random(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for number in range(300):
        acme.say(f"p{number % 20}", n=number)
        time.sleep(0.005)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not problems
    assert len(finals) == len(threads)
    for last in finals:
        eventually(lambda last=last: last.state == shown(acme.run)[1])


def test_the_metrics_count_the_streams_of_the_process(acme, watch, web):
    def streams():
        connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return next(
            line for line in text.splitlines() if line.startswith("firstlight_streams ")
        ).split()[1]

    watchers = [watch().until(acme.run.seq) for _ in range(3)]
    assert streams() == "3.0"
    for watcher in watchers:
        watcher.close()
    eventually(lambda: streams() == "0.0")


def test_a_rolled_back_event_is_never_seen(acme, watch):
    watcher = watch().until(acme.run.seq)
    with transaction.atomic():
        acme.say("a", n="never")
        transaction.set_rollback(True)
    seq = acme.say("a", n="real")
    watcher.until(seq)
    assert "never" not in "".join(frame.text for frame in watcher.frames)
    assert_shows(watcher, acme.run)


@pytest.mark.long
def test_a_viewer_that_does_not_read_delays_nobody_and_gets_the_newest_in_the_end(
    acme, watch, web
):
    slow, quick = watch(receive_buffer=200_000).until(acme.run.seq), watch().until(acme.run.seq)
    slow.may_read.clear()
    before = web.status("VmRSS")
    for number in range(60):
        quick.until(acme.say("big", n=number, text="x" * 500_000))
    assert web.status("VmRSS") - before < 16_000  # KiB; 30 MB were written
    slow.may_read.set()
    assert_shows(slow, acme.run)
    assert len(slow.ids) < len(quick.ids) / 2


def test_an_ended_run_is_shown_and_done(acme, watch):
    engine.cancel(acme.run)
    seq, state = shown(acme.run)
    whole, known = watch(), watch(seq=seq)
    for watcher in (whole, known):
        assert watcher.ended.wait(5)
        assert watcher.events == ["done"]
    assert (whole.seq, whole.state) == (seq, state)
    assert known.ids == []


def test_a_run_that_cannot_be_rendered_is_tried_again_and_takes_no_other_with_it(acme, watch):
    watcher = watch().until(acme.run.seq)
    acme.say("unrenderable", n=1)
    time.sleep(0.3)
    assert not watcher.ended.is_set()
    acme.say("a", n=2)
    assert_shows(watcher, acme.run)


def test_while_nobody_watches_the_web_process_rests(acme, watch, web):
    threads = web.status("Threads")
    watchers = [watch().until(acme.run.seq) for _ in range(30)]
    database = connection.settings_dict["NAME"]
    # The reader's connection and the tail's, however many watch; and of threads only
    # the reader's. A request's go soon.
    eventually(lambda: web.open_files(database) <= 2)
    eventually(lambda: web.status("Threads") <= threads + 1)
    for watcher in watchers:
        watcher.close()
    eventually(lambda: web.open_files(database) == 0)
    spent = web.cpu_seconds()
    for number in range(50):
        acme.say("a", n=number)
        time.sleep(0.02)
    assert web.cpu_seconds() - spent <= 0.05


def test_a_restart_takes_no_time_and_viewers_go_on_where_they_were(acme, watch, web):
    watchers = [watch().until(acme.run.seq) for _ in range(20)]
    assert web.stop() < 2.0
    assert all(watcher.ended.wait(1) for watcher in watchers)
    assert not any(watcher.events for watcher in watchers)
    assert (
        "Traceback"
        not in web.log.read_text()
        .replace("cannot be rendered", "")
        .rpartition("Shutting down")[2]
    )
    seq = acme.say("a", n=1)
    web.start()
    back = watch(last=watchers[0].seq).until(seq)
    assert back.state == {"part/a": {"n": 1}}
