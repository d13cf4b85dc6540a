"""``python -m scananalysis`` is the same as the command ``scananalysis``."""

from scananalysis.cli import main

if __name__ == "__main__":
    main()
