"""What the operating system needs, with no word of VAEs: files, locks, signals, progress, facts about the machine."""
