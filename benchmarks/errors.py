"""Why there is no measurement.

```
NoMeasurement
├── MeasurementError   it failed
└── UnableError        the contender does not have what the case needs
```
"""

from __future__ import annotations


class NoMeasurement(Exception):  # noqa: N818
    """A case was not measured on a loop."""


class MeasurementError(NoMeasurement):
    """A measurement failed."""


class UnableError(NoMeasurement):
    """A contender cannot run a case, and said so."""
