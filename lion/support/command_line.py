"""Settings that all commands share."""

# Click stores a command's help option when the command first parses. A command that only inherits
# these names would keep `--help` alone if something called it without its group.
HELP: dict[str, list[str]] = {"help_option_names": ["-h", "--help"]}
