"""The command line: parse, call, print. Imports happen inside the commands, so that ``--help`` is quick."""

import argparse
import sys
from collections.abc import Sequence

from nigra import __version__
from nigra.cli import data, examine, runs, tools
from nigra.cli.command import DISCLAIMER, EXIT_CODES
from nigra.errors import SHORT_OF_MEMORY, Interrupted, NigraError, is_short_of_memory, refused


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parsed = build_parser().parse_args(arguments)
    try:
        return int(parsed.command(parsed) or 0)
    except NigraError as error:
        print(f"nigra: {error}", file=sys.stderr)
        return 2
    except Interrupted as error:
        print(f"nigra: {error}", file=sys.stderr)
        return Interrupted.exit_code
    except KeyboardInterrupt:
        print("nigra: interrupted; the same command goes on where it stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"nigra: {refused(error)}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not is_short_of_memory(error):
            raise
        print(f"nigra: {SHORT_OF_MEMORY}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="nigra",
        description="Learns the healthy brain from controls' MRI and maps where a subject departs from it. "
        + DISCLAIMER,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nigra {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    runs.add_demo(commands)
    data.add_phantom(commands)
    data.add_doctor(commands)
    data.add_prepare(commands)
    runs.add_run(commands)
    runs.add_task(commands)
    examine.add_simulate(commands)
    examine.add_latent(commands)
    examine.add_explore(commands)
    tools.add_settings(commands)
    tools.add_bench(commands)
    return parser
