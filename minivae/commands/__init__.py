"""The command line, one file a command: ``add(commands)`` and the function that runs it."""
