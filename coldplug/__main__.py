"""`python -m coldplug` is the command line `coldplug`."""

from coldplug.cli import main

if __name__ == "__main__":
    main(prog_name="coldplug")
