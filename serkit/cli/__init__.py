"""The ``serkit`` command: one module per subcommand."""
