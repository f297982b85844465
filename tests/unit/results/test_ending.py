"""A process that is told to end finishes the writes that have begun, and begins no more."""

from __future__ import annotations

import threading

from evaluation_operator.results.ending import Ending
from evaluation_operator.results.errors import Stopped

LONG = 30.0
"""More than anything here takes."""


def test_the_end_waits_for_a_write_that_has_begun() -> None:
    ending, written = Ending(), threading.Event()
    ended: list[bool] = []

    def end() -> None:
        ending.begin(LONG)
        ended.append(written.is_set())

    with ending.waits():
        thread = threading.Thread(target=end)
        thread.start()
        while not ending.has_begun:
            pass
        written.set()
    thread.join(LONG)
    assert ended == [True]


def test_it_does_not_wait_for_ever() -> None:
    ending = Ending()
    with ending.waits():
        assert ending.begin(0.01)
        assert ending.has_begun


def test_once_it_has_begun_no_write_does() -> None:
    ending = Ending()
    ending.begin(0)
    has_written = threading.Event()

    def write() -> None:
        with ending.waits():
            has_written.set()

    threading.Thread(target=write, daemon=True).start()
    assert not has_written.wait(0.1)


def test_another_process_has_to_go_on_unless_all_has_been_done() -> None:
    ending = Ending()
    assert ending.begin(0)
    ending.is_in_time()
    assert not ending.begin(0)


def test_what_could_not_be_finished_is_taken_back_whatever_else_fails() -> None:
    ending, undone = Ending(), []

    def fail() -> None:
        undone.append("failed")
        raise OSError("the disk is gone")

    def other() -> None:
        with ending.waits(lambda: undone.append("other")):
            is_writing.set()
            go_on.wait(LONG)

    is_writing, go_on = threading.Event(), threading.Event()
    with ending.waits(fail):
        thread = threading.Thread(target=other)
        thread.start()
        is_writing.wait(LONG)
        ending.take_back()
        go_on.set()
    thread.join(LONG)
    assert undone == ["failed", "other"]


def test_what_is_whole_is_not_taken_back() -> None:
    ending, undone = Ending(), []
    with ending.waits(lambda: undone.append("write")), ending.waits():
        pass
    ending.take_back()
    assert undone == []


def test_who_is_stopped_says_by_what_and_what_goes_on() -> None:
    said = str(Stopped("SIGTERM", 12.4))
    assert said.startswith("told to end by SIGTERM after 12 s, as pods are that are deleted, evict")
    assert said.endswith(
        "the Job's next pod, if there is one, goes on from what this one has written"
    )
