"""The ``serkit`` command.

Only ``os`` and ``sys`` are imported before :func:`main` runs, so that :func:`main` handles Ctrl-C
during the other imports, too.
"""

import os
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        arguments: arguments without the program's name; default: those of the process.

    Returns:
        0 after success, 1 for bad files and errors of the operating system, 2 for bad arguments,
        130 after Ctrl-C.
    """
    command_name, hint = "serkit", ""
    try:
        from serkit.cli.interrupts import Interrupts

        with Interrupts() as interrupts:
            from serkit.cli import running
            from serkit.cli.parser import RESUMABLE_COMMANDS, build_parser

            running.prepare()
            parser = build_parser()
            if "_ARGCOMPLETE" in os.environ:
                import argcomplete

                argcomplete.autocomplete(parser)
            options = parser.parse_args(arguments)
            command_name = interrupts.name = f"serkit {options.command}"
            if options.command in RESUMABLE_COMMANDS:
                hint = "; the same command resumes"
            return running.run(options)
    except KeyboardInterrupt:
        if arguments is None:
            import signal

            # A second Ctrl-C ends the process at once, even if the interpreter waits for threads.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        print(f"\n{command_name}: interrupted{hint}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
