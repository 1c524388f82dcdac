"""`recloop`, the command line: one file a command, and the boxes that they print."""
