"""`python -m loanword.cli`: the same as the command `loanword`."""

import sys

from loanword.cli import main

if __name__ == "__main__":
    sys.exit(main())
