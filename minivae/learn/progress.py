"""What a learner has done: one small JSON file, which makes the folder that it is in a workspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from minivae.answers import PROGRESS, read_progress
from minivae.system.files import write_text


class Progress:
    """Which exercises were tried and passed, by which file (its SHA-256), and how many hints were shown.

    Parameters
    ----------
    folder : Path
        The workspace.
    """

    def __init__(self, folder: Path):
        self.path = folder / PROGRESS
        self.entries = read_progress(folder)

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
        self.entries[name] = self.entries.get(name, {}) | self.of(name) | values
        self.write()

    def write(self) -> None:
        """Replace the file."""
        write_text(self.path, json.dumps(self.entries, indent=1, sort_keys=True) + "\n")
