"""`python -m flows.cli` is `recloop`."""

from flows.cli.app import main

main()
