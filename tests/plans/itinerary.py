"""The tour from its first stop to its last; no two stops are about the same person."""

from __future__ import annotations

from tests.plans import accounts_stops, administration_stops, other_stops, session_stops
from tests.plans.tour import Tour

STOPS = (
    other_stops.starting,
    other_stops.asking,
    accounts_stops.signing_up,
    accounts_stops.verifying_again,
    accounts_stops.oneself,
    accounts_stops.forgetting_a_password,
    accounts_stops.changing_a_password,
    session_stops.logging_in,
    session_stops.refusing_log_ins,
    session_stops.refreshing,
    session_stops.sessions,
    administration_stops.listing_users,
    administration_stops.refusing,
    administration_stops.searching_users,
    administration_stops.changing_users,
    administration_stops.letting_users_in,
    administration_stops.changing_roles,
    administration_stops.reading_the_trail,
    other_stops.failing_mails,
    other_stops.handing_back,
    other_stops.cleaning,
    other_stops.creating_an_administrator,
)


def travel(tour: Tour) -> None:
    for stop in STOPS:
        stop(tour)
