"""What a learner has done: one small JSON file beside the exercises, not kept in git."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from minivae.system.files import replacing

FILE = ".progress.json"


class Progress:
    """Which exercises were tried and passed, and how many hints were shown.

    Parameters
    ----------
    lessons : Path
        The folder of the lessons, in which the file is.
    """

    def __init__(self, lessons: Path):
        self.path = lessons / FILE
        self.entries = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        """Nothing, if there is no file or somebody has damaged it: it is a convenience, no examination."""
        try:
            values = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        whole = isinstance(values, dict) and all(isinstance(value, dict) for value in values.values())
        return values if whole else {}

    def of(self, name: str) -> dict[str, Any]:
        """What is known of one exercise: "passed", "tries", "hints"."""
        known = self.entries.get(name, {})
        hints, tries = known.get("hints"), known.get("tries")
        return {
            "passed": known.get("passed") is True,
            "tries": tries if isinstance(tries, int) else 0,
            "hints": hints if isinstance(hints, int) else 0,
        }

    def update(self, name: str, **values: Any) -> None:
        """Note it and write the file."""
        self.entries[name] = self.of(name) | values
        with replacing(self.path) as beside:
            beside.write_text(json.dumps(self.entries, indent=1, sort_keys=True) + "\n", encoding="utf-8")
