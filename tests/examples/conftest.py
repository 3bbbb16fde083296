"""The bakery's files import each other by their names alone, as scripts of one folder do."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "bakery"))
