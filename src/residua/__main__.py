"""`python -m residua` and the command `residua`."""

from residua.cli.main import main

if __name__ == "__main__":
    main()
