"""What the HTTP servers answer with."""

from __future__ import annotations

HELLO = b"Hello, world"

RECORD = {
    "id": 1024,
    "name": "a loaf",
    "tags": ["rye", "sourdough", "dark"],
    "price": {"amount": 4.5, "currency": "EUR"},
    "stock": [{"shop": number, "loaves": number * 7 % 5} for number in range(10)],
}
