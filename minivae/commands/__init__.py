"""The commands of the command line, one file each: ``add(commands)`` and the function that it runs."""
