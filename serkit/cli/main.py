"""The ``serkit`` command.

Nothing but ``sys`` is imported before :func:`main` runs, so that Ctrl-C ends in one line from then
on.
"""

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        arguments: without the program's name; default: those of the process.

    Returns:
        0, or 1 for bad files and what the system refuses, 2 for bad arguments, 130 after Ctrl-C.
    """
    name = "serkit"
    try:
        from serkit.cli.interrupts import Interrupts

        with Interrupts() as interrupts:
            from argparse import Namespace

            from serkit.cli import running
            from serkit.cli.parser import build_parser

            given = sys.argv[1:] if arguments is None else list(arguments)
            running.prepare()
            # A command that starts others of its kind needs what was given.
            options = build_parser().parse_args(given, Namespace(given=given))
            name = interrupts.name = f"serkit {options.command}"
            return running.run(options)
    except KeyboardInterrupt:
        if arguments is None:
            import signal

            # Once more ends the process at once, whatever the interpreter still waits for.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        print(f"\n{name}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
