"""Numbers and names as people read them."""

from __future__ import annotations

import math
import signal


def seconds(value: float) -> str:
    """Return a duration to three digits, in the unit that suits it.

    >>> [seconds(s) for s in (0, 2.5e-5, 0.0052, 0.052, 0.99996, 1.2345, 12.345, 75, 7380)]
    ['0 s', '25 µs', '5.2 ms', '52 ms', '1.00 s', '1.23 s', '12.3 s', '1 min 15 s', '2 h 3 min']
    """
    if value <= 0:
        return "0 s"
    value = _to_digits(value, 3)
    if value >= 3600:
        minutes = round(value / 60)
        return f"{minutes // 60:,} h {minutes % 60} min"
    if value >= 60:
        whole = round(value)
        return f"{whole // 60} min {whole % 60} s"
    if value >= 1:
        return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"
    if value >= 1e-3:
        return _one_or_none(value * 1e3, "ms")
    return _one_or_none(value * 1e6, "µs")


def _to_digits(value: float, digits: int) -> float:
    return round(value, digits - 1 - math.floor(math.log10(value)))


def _one_or_none(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if value >= 9.95 else f"{value:.1f} {unit}"


def share(value: float) -> str:
    """Return a share of one in percent.

    >>> [share(s) for s in (0, 0.0004, 0.004, 0.126, 1)]
    ['0 %', '<0.1 %', '0.4 %', '13 %', '100 %']
    """
    percent = value * 100
    if percent <= 0:
        return "0 %"
    if percent < 0.1:
        return "<0.1 %"
    if percent < 0.95:
        return f"{percent:.1f} %"
    return f"{percent:.0f} %"


def size(value: int) -> str:
    """Return a number of bytes in the unit that suits it.

    >>> [size(n) for n in (0, 999, 1500, 2_500_000, 256_000_000)]
    ['0 B', '999 B', '1.5 kB', '2.5 MB', '256 MB']
    """
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if value >= 10**power:
            return _one_or_none(value / 10**power, unit)
    return f"{value} B"


def count(value: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    >>> count(1, "step"), count(1234, "step"), count(2, "loop that ran", "loops that ran")
    ('1 step', '1,234 steps', '2 loops that ran')
    """
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def clean(text: str) -> str:
    r"""Return a name without what would disturb a terminal.

    >>> clean("a\x1b[31m\nb"), clean("caf\u00e9 \udcff")
    ('a\\x1b[31m\\nb', 'café \\udcff')
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def shorten(text: str, width: int) -> str:
    """Return a text cut to a width, with an ellipsis where it was cut.

    >>> shorten("response", 8), shorten("response", 5)
    ('response', 'resp…')
    """
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def signal_name(number: int) -> str:
    """Return a signal's name; real-time signals but two have none of their own.

    >>> signal_name(15), signal_name(int(signal.SIGRTMIN) + 3)
    ('SIGTERM', 'SIGRTMIN+3')
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        if signal.SIGRTMIN < number < signal.SIGRTMAX:
            return f"SIGRTMIN+{number - signal.SIGRTMIN}"
        return f"signal {number}"
