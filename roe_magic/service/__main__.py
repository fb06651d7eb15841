"""``python -m roe_magic.service``: the same as ``roe-magic serve``."""

from __future__ import annotations

import argparse
import sys

from roe_magic.service import serve

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="roe-magic serve", description="Run the Roe API on embedded ClickHouse.")
    serve.add_arguments(parser)
    sys.exit(serve.run(parser.parse_args()))
