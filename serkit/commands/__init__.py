"""What each command of ``serkit`` asks for, calls and prints."""
