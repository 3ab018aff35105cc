#!/usr/bin/env python3
"""Benchmarks of the whole gateway next to its peers; prints Markdown.

    tests/bench/run.py [--quick | --full] [conda] [serve] [python]

Needs bin/fairway (make build), Go, the environments `conda` and `peers` of
tests/venv.sh, and from Debian: apt-get install nginx-light wrk zstd.
docs/performance.md says how to read the figures.
"""

import argparse
import sys

sys.dont_write_bytecode = True
import common  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = p.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, short rounds: does it work at all")
    size.add_argument("--full", action="store_true", help="peers at 50,000 packages too, longer rounds")
    p.add_argument("--work", help="keep what is made in this folder, and use what is there")
    p.add_argument("--only", help="parts of the subjects, separated by commas, as in add,import")
    p.add_argument("subject", nargs="*", metavar="subject", help="conda, serve, python; all of them by default")
    options = p.parse_args()
    options.only = set(options.only.split(",")) if options.only else set()
    unknown = set(options.subject) - {"conda", "serve", "python"}
    if unknown:
        p.error(f"{', '.join(sorted(unknown))}: conda, serve or python is expected")
    try:
        print(f"Measured on {common.machine()}.")
        for subject in options.subject or ["serve", "conda", "python"]:
            with common.workspace(options.work) as work:
                __import__(subject + "bench").run(work, options)
    except common.Missing as err:
        sys.exit(f"run.py: {err}")


if __name__ == "__main__":
    main()
