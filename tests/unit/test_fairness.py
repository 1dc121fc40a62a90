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
    use = RecentUse(usual=0.1, seconds=clock)
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
    use = RecentUse(usual=0.1, seconds=Seconds())
    for number in range(10_001):
        use.add(str(number), 1)
    assert [use.of(str(number)) for number in (0, 1, 10_000)] == [0, 1, 1]


def test_nobody_is_there_for_more_than_all_of_the_time() -> None:
    """The waits of requests that pile up do not add up: with them each would make the next one
    longer."""
    clock = Seconds()
    use = RecentUse(usual=0.01, seconds=clock)
    for caller in ("one", *["many"] * 20):
        use.come(caller)
    assert (use.of("one"), use.of("many")) == pytest.approx((0.01, 0.2))
    clock.now += 0.5
    for _ in range(10):
        use.go("many")
    clock.now += 0.5
    for caller in ("one", *["many"] * 10):
        use.go(caller)
    # What is older than half a second counts for a little less.
    assert use.of("one") == pytest.approx(1, abs=0.05)
    assert use.of("many") == pytest.approx(1, abs=0.2)


def test_who_has_gone_is_there_no_more() -> None:
    """However many requests there were: the next one counts from when it comes."""
    clock = Seconds()
    use = RecentUse(usual=0.01, seconds=clock)
    for _ in range(2):
        use.come("one")
    for _ in range(2):
        use.go("one")
    clock.now += 1
    use.come("one")
    clock.now += 0.25
    use.go("one")
    assert use.of("one") == pytest.approx(0.25, abs=0.02)


def line(most: int, **had: float) -> FairLine[str]:
    use = RecentUse(usual=0.1, seconds=Seconds())
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


def test_an_endless_row_of_newcomers_keeps_nobody_out() -> None:
    """A wait makes up for what the caller had before."""
    clock = Seconds()
    use = RecentUse(usual=0.001, seconds=clock)
    use.add("regular", 4)
    waiting: FairLine[str] = FairLine(most=100, use=use)
    waiting.join("regular", "regular")
    for number in range(1000):
        waiting.join(str(number), str(number))
        clock.now += 0.001
        if waiting.next() == "regular":
            break
    else:
        pytest.fail("it waits")
    assert 0.25 < clock.now - 1000 < 0.5


def test_who_asks_now_and_then_waits_little_when_a_crowd_begins_to_press() -> None:
    """Ten times a second, among thirty callers who had nothing before and never pause: one place
    that each has for a millisecond, for a minute."""
    clock = Seconds()
    use = RecentUse(usual=0.001, seconds=clock)
    waiting: FairLine[tuple[str, float]] = FairLine(most=1000, use=use)

    def ask(caller: str) -> None:
        use.come(caller)
        waiting.join((caller, clock.now), caller)

    waits: list[float] = []
    for millisecond in range(60_000):
        if millisecond % 100 == 0:
            ask("honest")
        if millisecond == 10_000:
            for number in range(30):
                ask(f"crowd {number}")
        clock.now += 0.001
        served = waiting.next()
        if served is None:
            continue
        caller, came = served
        use.add(caller, 0.001)
        use.go(caller)
        if caller == "honest":
            waits.append(clock.now - came)
        else:
            ask(caller)
    assert len(waits) == 600
    assert max(waits) < 0.1
    assert sum(waits) / len(waits) < 0.01
