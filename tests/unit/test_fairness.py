"""Who had least comes first."""

from __future__ import annotations

import pytest

from core.domain.fairness import HALF_LIFE, FairLine, RecentUse


class Seconds:
    """A monotonic clock that stands still."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_use_halves_with_time_and_never_gets_below_nothing() -> None:
    """A caller who was greedy an hour ago is like any other."""
    clock = Seconds()
    use = RecentUse(seconds=clock)
    assert use.of("a") == 0
    use.add("a", 8)
    clock.now += HALF_LIFE
    assert use.of("a") == pytest.approx(4)
    use.add("a", 1)
    clock.now += 2 * HALF_LIFE
    assert use.of("a") == pytest.approx(1.25)
    use.add("a", -5)
    assert use.of("a") == 0
    clock.now += 1e9
    assert use.of("a") == 0


def test_only_the_latest_callers_are_remembered() -> None:
    """A sweep over many addresses takes bounded memory."""
    use = RecentUse(seconds=Seconds())
    for number in range(10_001):
        use.add(str(number), 1)
    assert [use.of(str(number)) for number in (0, 1, 10_000)] == [0, 1, 1]


def line(most: int, **had: float) -> FairLine[str]:
    use = RecentUse(seconds=Seconds())
    for caller, amount in had.items():
        use.add(caller, amount)
    return FairLine(most=most, use=use)


def test_callers_who_had_less_come_first_and_of_equals_the_first() -> None:
    """A newcomer waits for no crowd."""
    waiting = line(10, greedy=5, modest=1)
    for item, caller in [("g1", "greedy"), ("m1", "modest"), ("g2", "greedy"), ("n1", "new")]:
        assert waiting.join(item, caller) is None
    assert len(waiting) == 4
    assert [waiting.next() for _ in range(5)] == ["n1", "m1", "g1", "g2", None]


def test_in_a_full_line_the_one_who_had_most_gives_way() -> None:
    """The newcomer may be that one; of equals the last to come goes."""
    waiting = line(2, greedy=5, modest=1)
    waiting.join("m1", "modest")
    waiting.join("g1", "greedy")
    assert waiting.join("g2", "greedy") == "g2"
    assert waiting.join("n1", "new") == "g1"
    assert waiting.join("n2", "new") == "m1"
    assert waiting.join("n3", "new") == "n3"
    assert [waiting.next() for _ in range(3)] == ["n1", "n2", None]


def test_who_leaves_is_not_called() -> None:
    """It gave up, and can leave once."""
    waiting = line(2)
    waiting.join("a", "a")
    waiting.join("b", "b")
    assert waiting.leave("a")
    assert not waiting.leave("a")
    assert waiting.next() == "b"
    assert not waiting.leave("b")


def test_those_ahead_have_three_turns_of_four() -> None:
    """And so can keep nobody waiting for ever; within each group the least use comes first."""
    waiting = line(20, greedy=5)
    for number in range(3):
        waiting.join(f"behind {number}", "new")
    for number in range(6):
        waiting.join(f"ahead {number}", "greedy", ahead=True)
    turns = [waiting.next() for _ in range(9)]
    assert [each and each.partition(" ")[0] for each in turns] == [
        *(["ahead"] * 3 + ["behind"]) * 2,
        "behind",
    ]


def test_a_full_line_does_not_ask_who_is_ahead() -> None:
    """Else greedy ones that are ahead would push all others out."""
    waiting = line(2, greedy=5)
    waiting.join("behind", "new")
    waiting.join("ahead", "greedy", ahead=True)
    assert waiting.join("late", "greedy", ahead=True) == "late"
    assert waiting.join("newer", "new") == "ahead"
