"""The forms in which AWS hands an HTTP request to a function: how to know, read and answer each.

Decoding differs by form (docs/event-forms.md). A reader gives path and query in
percent-encoding, as the client sent them where its form still tells.
"""

from __future__ import annotations

from collections.abc import Mapping

from handler.lambda_forms.event import Event, EventForm, MalformedEvent, UnknownEvent, field
from handler.lambda_forms.load_balancer import ALB_MULTI_VALUE, ALB_SINGLE_VALUE
from handler.lambda_forms.payload_1 import HTTP_API_1, REST_API
from handler.lambda_forms.payload_2 import FUNCTION_URL, HTTP_API_2

__all__ = ["FORMS", "Event", "EventForm", "MalformedEvent", "UnknownEvent", "field", "form_of"]

FORMS = (ALB_MULTI_VALUE, ALB_SINGLE_VALUE, REST_API, HTTP_API_1, FUNCTION_URL, HTTP_API_2)
"""Every form that is served. The first that knows an event reads it: the order counts."""


def form_of(event: object) -> EventForm:
    """The form of an event. Raises UnknownEvent."""
    if isinstance(event, Mapping):
        context = event.get("requestContext")
        for form in FORMS:
            if isinstance(context, Mapping) and form.recognises(event, context):
                return form
    known = ", ".join(form.name for form in FORMS)
    raise UnknownEvent(f"not an event of a form that is served here: {known}")
