"""What a report says of a finding besides its line, in words: pure."""

from __future__ import annotations

from collections.abc import Iterator

from fournil.observe.report.findings import Finding
from fournil.observe.report.page import Role, Span
from fournil.observe.words import clean, count, seconds

NAMES = 3
"""So many pieces of code are called by their names."""


def when(finding: Finding) -> str:
    """Return when the steps of a finding began, counted from the recording's start."""
    begins = [step.begin_s for step in finding.group.steps]
    first, last = seconds(min(begins)), seconds(max(begins))
    return f"at {first}" if first == last else f"from {first} to {last}"


def delayed_by(finding: Finding) -> Iterator[Span]:
    """Yield who waited for the steps of a finding, in words; nothing where that is not known."""
    waited = finding.suffering
    if finding.hurt_nobody:
        yield Span("nobody: nothing else was ready")
        return
    if waited.steps == 0:
        return  # what ran after it is not in the recording
    about = "about " if waited.arrived else ""
    text = f"{count(waited.steps, 'step')} by {about}{seconds(waited.total_s)} in all"
    if waited.steps > 1:
        text += f", {seconds(waited.longest_s)} at most"
    names = [clean(name) for name, _ in finding.sufferers[:NAMES]]
    if len(finding.sufferers) > NAMES:
        names.append("…")
    yield Span(text)
    if names:
        yield Span(f": {', '.join(names)}", Role.DIM)
