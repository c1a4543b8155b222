"""`python -m kgbuild` is the command line `kgbuild`."""

from kgbuild.cli import main

if __name__ == "__main__":
    main(prog_name="kgbuild")
