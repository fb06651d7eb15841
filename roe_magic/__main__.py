"""``python -m roe_magic`` is ``roe-magic``."""

from roe_magic.cli import main

if __name__ == "__main__":
    main()
