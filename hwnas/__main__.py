"""`python -m hwnas` is the `hwnas` command."""

from hwnas.cli.main import main

main()
