"""Whether the variables of the environment make sense."""

from __future__ import annotations

from core.config.examination import Examination
from core.domain.diagnosis import Finding, fail, ok, warn


def configuration(examined: Examination) -> Finding:
    """What keeps every command from starting; names of variables, never values."""
    faults = [f"{name} {reason}" for name, reason in examined.at_fault.items()]
    environment = examined.settings.environment
    if not examined.settings.development:
        faults += [f"{name} {reason}" for name, reason in examined.unsafe.items()]
    if faults:
        remedy = f"set it as docs/settings.md says for {environment}"
        return fail("; ".join(faults), remedy)
    given = examined.given
    return ok(f"{environment}, {len(given)} variables set: {', '.join(given)}")


def production_values(examined: Examination) -> Finding:
    """What production would refuse, told before it does."""
    if not examined.unsafe:
        return ok("every value is fit for production")
    listed = "; ".join(f"{name} {reason}" for name, reason in examined.unsafe.items())
    return warn(listed, "change it before ENVIRONMENT is staging or production")


def unknown_variables(examined: Examination) -> Finding:
    """A misspelt variable has no effect, and nothing else would say so."""
    if not examined.misspelt:
        return ok("no variable looks like a misspelt setting")
    listed = ", ".join(f"{name} is read by nobody" for name in examined.misspelt)
    meant = ", ".join(f"{right} for {wrong}" for wrong, right in examined.misspelt.items())
    return warn(listed, f"if it was meant for user-api, write {meant}")
