import pytest

from serkit.formatting import markdown_table, markdown_text, printable


def test_a_table_has_a_line_per_row_and_numbers_to_the_right():
    assert markdown_table(["", "a"], [["x", "1"], ["y", "2"]]) == (
        "|  | a |\n| --- | ---: |\n| x | 1 |\n| y | 2 |\n"
    )


def test_cells_do_not_break_the_table():
    assert markdown_table(["a|b"], [["x\n| y"]]) == "| a\\|b |\n| --- |\n| x\\\\n\\| y |\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("female_sad 1.0 é\xa0日本", "female_sad 1.0 é\xa0日本"),
        ("\x1b[2J\a\r\n\t\x9b1m\x7f", r"\x1b[2J\x07\r\n\t\x9b1m\x7f"),
        ("a\u202egpj.exe\u2028", r"a\u202egpj.exe\u2028"),
        ("\udce4", r"\udce4"),
    ],
)
def test_what_could_control_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown


def test_quoted_text_has_no_meaning_in_markdown():
    shown = markdown_text("<script>[a](b) *c* `d` |\\")
    assert shown == r"\<script>[a\](b) \*c\* \`d\` \|\\"
    assert markdown_text("50.0 [40.0, 60.0], p < 0.05") == "50.0 [40.0, 60.0], p < 0.05"
