"""`python -m fournil`: the same as the `fournil` command."""

from fournil.cli.main import main

if __name__ == "__main__":
    main()
