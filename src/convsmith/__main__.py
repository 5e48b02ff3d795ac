"""`python -m convsmith`."""

from convsmith.cli.main import main

main()
