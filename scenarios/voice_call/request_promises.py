"""What is owed to the client of the manager's own interface, whatever it asks for."""

from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.event_promises import CallCase
from scenarios.voice_call.observe import CallsObserved


def requests_fail_as_documented(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A request is done, or fails in one of the ways the interface knows; then a client knows what to do."""
    return [
        violation("unavailable", f"api:{request.name} was answered with {request.answer}", request.name)
        for request in case.world.outer.requests.values()
        if request.outcome == "broken"
    ]
