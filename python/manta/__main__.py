"""`python -m manta ARGS` becomes the native program: same process, same terminal, same signals."""
import os
import sys

from manta.program import NotThere, program


def main():
    try:
        path = program()
    except NotThere as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    os.execv(path, [path] + sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
