"""Files, locks, signals, streams, progress, facts about the machine: nothing about VAEs."""
