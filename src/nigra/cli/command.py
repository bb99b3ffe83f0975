"""What every command has: its place in the parser, the exit codes, the caution."""

import argparse
from typing import Any

DISCLAIMER = "Research use only, not a medical device."
EXIT_CODES = """exit codes:
  0  done
  1  doctor found faults; a launched run has tasks that failed
  2  the input breaks a rule; one sentence on stderr says which and what to do
  75  a training was stopped by a signal; the same command goes on where it stopped
  130  interrupted; the same command goes on where it stopped"""


def command(commands: Any, name: str, call: Any, text: str) -> argparse.ArgumentParser:
    """A command's own parser; ``call`` is what it does with what was parsed."""
    parser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}. {DISCLAIMER}", epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.set_defaults(command=call)
    return parser
