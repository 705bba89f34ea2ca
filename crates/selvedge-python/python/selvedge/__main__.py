"""`python -m selvedge`: the program `selvedge`."""

from selvedge._program import main

if __name__ == "__main__":
    main()
