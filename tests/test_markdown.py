from serkit.formatting import markdown_table


def test_a_table_has_a_line_per_row_and_numbers_to_the_right():
    assert markdown_table(["", "a"], [["x", "1"], ["y", "2"]]) == (
        "|  | a |\n| --- | ---: |\n| x | 1 |\n| y | 2 |\n"
    )
