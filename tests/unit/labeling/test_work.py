"""Asking people, counting, asking again and writing down, whatever gets in between."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from evaluation_operator.domain.reasons import Reason
from evaluation_operator.labeling.backend import BackendRefused, BackendUnavailable
from evaluation_operator.labeling.progress import Counts
from evaluation_operator.tasks.answers import NOBODY, BadAnswer
from tests.unit.labeling.desk import Bench, Killed, Tool


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_people_are_asked_in_order_of_priority_and_told_where(bench: Bench) -> None:
    told = bench.turn()
    assert bench.tool.order == ["a", "b", "c"]
    assert told.reason is Reason.LABELING
    assert told.counts == Counts(0, 3)
    assert told.message == "people label at https://labels.example/7: 0 of 3 items are done"


def test_the_labels_are_written_when_all_is_answered(bench: Bench) -> None:
    bench.turn()
    for item, label in (("a", "ripe"), ("b", "unripe"), ("c", "ripe")):
        bench.tool.say(item, "ann", label)
    told = bench.turn()
    assert told.reason is Reason.ALL_LABELED
    assert told.counts == Counts(3, 3)
    labels = bench.labels()
    assert {item: row["groundtruth"] for item, row in labels.items()} == {
        "a": '{"labels": ["ripe"]}',
        "b": '{"labels": ["unripe"]}',
        "c": '{"labels": ["ripe"]}',
    }
    assert labels["a"]["row_id"] == "row-a"
    assert (labels["a"]["score"], labels["a"]["total_votes"]) == (1.0, 1)
    summary = bench.summary()
    assert (summary["asked"], summary["resolved"], summary["annotators"]) == (3, 3, 1)


def test_once_written_labels_are_never_written_again(bench: Bench) -> None:
    bench.turn()
    for item in "abc":
        bench.tool.say(item, "ann", "ripe")
    first = bench.turn()
    bench.restart()
    bench.tool.calls.clear()
    again = bench.turn()
    assert (again.reason, again.counts) == (first.reason, first.counts)
    assert bench.tool.calls == []


def test_answers_are_read_only_when_their_number_has_changed(bench: Bench) -> None:
    bench.turn()
    bench.tool.calls.clear()
    bench.turn()
    assert bench.tool.calls == ["count_answers"]
    bench.tool.say("a", "ann", "ripe")
    bench.turn()
    assert bench.tool.calls == ["count_answers", "count_answers", "read_answers"]


def test_two_more_people_at_most_are_asked_where_the_first_do_not_agree(tmp_path: Path) -> None:
    bench = Bench(tmp_path, labeling={"replicaCount": 2}, items=["a"])
    bench.turn()
    for number, label in enumerate(("ripe", "unripe", "", "")):
        if label:
            bench.tool.say("a", f"person-{number}", label)
    bench.turn()
    assert bench.tool.tasks["a"] == 3
    bench.turn()
    bench.turn()
    assert bench.tool.calls.count("ask_again") == 1, "nobody has answered since"
    bench.tool.say("a", "person-2", "ripe", minute=2)
    told = bench.turn()
    assert told.reason is Reason.ALL_LABELED
    assert bench.labels()["a"]["score"] == pytest.approx(2 / 3)


def test_what_stays_disputed_is_unresolved_after_the_last_opinion(tmp_path: Path) -> None:
    bench = Bench(tmp_path, labeling={"replicaCount": 2}, items=["a"])
    bench.turn()
    bench.tool.say("a", "p1", "ripe")
    bench.tool.say("a", "p2", "unripe")
    bench.turn()
    bench.tool.bad["a"] = [BadAnswer("p3", "no label")]
    bench.turn()
    assert bench.tool.tasks["a"] == 4
    bench.tool.bad["a"].append(BadAnswer("p4", "no label"))
    told = bench.turn()
    assert told.reason is Reason.ALL_LABELED
    assert told.failures == (
        "item a, annotator p3: no label",
        "item a, annotator p4: no label",
    )
    assert bench.labels()["a"]["groundtruth"] is None
    assert bench.summary()["unresolved"] == 1


def test_the_deadline_ends_it_with_what_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path, labeling={"deadline": "2h"})
    bench.turn()
    bench.tool.say("a", "ann", "ripe")
    bench.turn()
    bench.now += timedelta(hours=1)
    assert bench.turn().reason is Reason.LABELING
    bench.tool.say("b", "ann", "unripe")
    bench.now += timedelta(hours=1)
    told = bench.turn()
    assert told.reason is Reason.DEADLINE_REACHED
    assert set(bench.labels()) == {"a", "b"}, "what came after the last look counts as well"
    assert "2 of 3 items were answered" in told.message


def test_nobody_is_left_to_label_for_nothing_after_the_deadline(tmp_path: Path) -> None:
    bench = Bench(tmp_path, labeling={"deadline": "2h"})
    bench.turn()
    bench.tool.say("a", "ann", "ripe")
    bench.now += timedelta(hours=2)
    assert bench.turn().is_over
    assert list(bench.tool.tasks) == ["a"]


def late_bench(root: Path, **labeling: object) -> Bench:
    """One of three items was answered up to the deadline; the others are still asked."""
    bench = Bench(root, labeling={"deadline": "2h"} | labeling, least=1)
    bench.turn()
    bench.tool.say("a", "ann", "ripe")
    bench.now += timedelta(hours=2)
    return bench


def test_where_late_labels_count_people_go_on_after_the_deadline(tmp_path: Path) -> None:
    bench = late_bench(tmp_path)
    told = bench.turn()
    assert (told.reason, told.stays_open) == (Reason.DEADLINE_REACHED, True)
    assert told.counts == Counts(1, 3)
    first, labels = bench.summary(), bench.labels()
    assert bench.turn().new_labels == 0
    assert not bench.folder.exists("late-labels.json"), "nothing has come yet"

    bench.tool.say("b", "bob", "unripe", minute=200)
    bench.restart()
    told = bench.turn()
    assert (told.new_labels, told.counts, told.is_over) == (1, Counts(2, 3), False)
    assert set(bench.labels("late-labels.parquet")) == {"a", "b"}, "all of them"
    assert bench.folder.read_json("late-labels.json")["annotators"] == 2
    assert (bench.summary(), bench.labels()) == (first, labels), "what was used stays as it was"

    bench.tool.say("c", "bob", "ripe", minute=201)
    told = bench.turn()
    assert (told.new_labels, told.counts, told.is_over) == (2, Counts(3, 3), True)


def test_late_answers_that_change_a_label_are_new_labels(tmp_path: Path) -> None:
    bench = late_bench(tmp_path, replicaCount=3)
    assert bench.turn().counts == Counts(0, 3), "two more are asked about what one has answered"
    bench.tool.say("a", "bob", "unripe", minute=200)
    bench.tool.say("a", "eve", "unripe", minute=201)
    told = bench.turn()
    assert (told.new_labels, told.counts) == (1, Counts(1, 3))
    assert bench.labels("late-labels.parquet")["a"]["groundtruth"] == '{"labels": ["unripe"]}'


def test_late_labels_are_written_when_they_change_and_only_then(tmp_path: Path) -> None:
    bench = late_bench(tmp_path)
    bench.turn()
    bench.tool.say("b", "bob", "unripe", minute=200)
    bench.turn()
    written = bench.folder.read_json("late-labels.json")["time"]
    bench.now += timedelta(hours=1)
    for _ in range(2):
        assert bench.turn().new_labels == 1
        bench.restart()
    assert bench.folder.read_json("late-labels.json")["time"] == written


def test_a_tool_that_is_away_at_the_deadline_is_waited_for_an_hour(tmp_path: Path) -> None:
    bench = Bench(tmp_path, labeling={"deadline": "2h"})
    bench.turn()
    bench.tool.say("a", "ann", "ripe")
    bench.turn()
    bench.tool.failing = BackendUnavailable("away")
    bench.now += timedelta(hours=2)
    with pytest.raises(BackendUnavailable):
        bench.turn()
    bench.now += timedelta(hours=1)
    assert bench.turn().reason is Reason.DEADLINE_REACHED
    assert set(bench.labels()) == {"a"}


def test_what_was_read_survives_a_project_that_is_deleted(bench: Bench) -> None:
    """Also if the labeler is started anew. The new project asks only for the rest."""
    bench.turn()
    bench.tool.say("a", "ann", "ripe")
    bench.turn()
    bench.tool.lose_project()
    with pytest.raises(BackendUnavailable):
        bench.turn()
    bench.restart()
    bench.turn()
    assert bench.tool.order == ["b", "c"]
    bench.tool.say("b", "bob", "ripe")
    bench.tool.say("c", "bob", "unripe")
    assert bench.turn().reason is Reason.ALL_LABELED
    assert set(bench.labels()) == {"a", "b", "c"}
    assert bench.summary()["annotators"] == 2


def test_a_project_that_is_deleted_is_opened_again_by_the_same_labeler(bench: Bench) -> None:
    bench.turn()
    bench.tool.lose_project()
    with pytest.raises(BackendUnavailable):
        bench.turn()
    assert bench.turn().reason is Reason.LABELING
    assert bench.tool.order == ["a", "b", "c"]


def test_nothing_is_lost_while_the_tool_refuses(bench: Bench) -> None:
    bench.turn()
    bench.tool.say("a", "ann", "ripe")
    bench.turn()
    bench.tool.failing = BackendRefused("the token is revoked")
    with pytest.raises(BackendRefused):
        bench.turn()
    bench.tool.failing = None
    bench.restart()
    assert bench.turn().counts == Counts(1, 3)
    assert bench.tool.made == 1


def test_the_latest_word_of_a_person_counts_once(bench: Bench) -> None:
    bench.turn()
    bench.tool.say("a", "ann", "ripe")
    bench.turn()
    bench.tool.answers["a"].clear()
    bench.tool.say("a", "ann", "unripe", minute=5)
    bench.tool.say("b", "ann", "ripe")
    bench.tool.say("c", "ann", "ripe")
    bench.turn()
    assert bench.labels()["a"]["groundtruth"] == '{"labels": ["unripe"]}'
    assert bench.labels()["a"]["total_votes"] == 1


def test_a_namesake_that_is_cut_anew_is_asked_anew(bench: Bench) -> None:
    bench.turn()
    for item in "abc":
        bench.tool.say(item, "ann", "ripe")
    bench.now -= timedelta(minutes=5)
    bench.turn()
    bench.restart()
    bench.tool.calls.clear()
    bench.turn()
    assert "count_answers" in bench.tool.calls


def test_what_nobody_can_be_shown_is_not_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, labeling={"replicaCount": 3}, items=["a"])
    bench.turn()
    bench.tool.bad["a"] = [BadAnswer(NOBODY, "instance: no address of an image")]
    told = bench.turn()
    assert told.reason is Reason.ALL_LABELED
    assert told.failures == ("item a, annotator nobody: instance: no address of an image",)
    assert "ask_again" not in bench.tool.calls
    assert bench.labels() == {}


STORY = (
    ("a", "p1", "ripe"),
    ("a", "p2", "unripe"),
    ("b", "p1", "ripe"),
    ("b", "p2", "ripe"),
    ("c", "p1", "unripe"),
    ("c", "p2", "unripe"),
    ("a", "p3", "unripe"),
)


def live(bench: Bench) -> None:
    """People answer as soon as they may; the process is started anew whenever it is killed."""
    told = None
    said = 0
    for _ in range(200):
        try:
            told = bench.turn()
        except Killed:
            bench.restart()
            bench.tool.kill_before = bench.tool.kill_after = None
            continue
        if told.is_end:
            return
        item, person, label = STORY[said]
        if len(bench.tool.answers.get(item, {})) < bench.tool.tasks[item]:
            bench.tool.say(item, person, label, minute=said + 1)
            said = min(said + 1, len(STORY) - 1)
    raise AssertionError(f"it does not end: {told}")


@pytest.mark.parametrize("side", ["before", "after"])
def test_it_may_be_killed_at_any_call_and_comes_to_the_same_labels(
    tmp_path: Path, side: str
) -> None:
    (tmp_path / "unharmed").mkdir()
    unharmed = Bench(tmp_path / "unharmed", labeling={"replicaCount": 2})
    live(unharmed)
    assert unharmed.labels()["a"]["total_votes"] == 3
    for moment in range(len(unharmed.tool.calls)):
        root = tmp_path / str(moment)
        root.mkdir()
        tool = Tool()
        setattr(tool, f"kill_{side}", moment)
        bench = Bench(root, tool, labeling={"replicaCount": 2})
        live(bench)
        assert bench.labels() == unharmed.labels(), f"killed at call {moment}"
        assert bench.tool.made == 1
