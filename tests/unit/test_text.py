"""Effects and tables as text: one form each, wherever they are shown."""

from __future__ import annotations

from cocktail.files.text import pipe_table, with_interval


def test_an_effect_stands_with_its_interval() -> None:
    assert with_interval(1.25, -0.5, 3.0) == "+1.2 [−0.5, +3.0]"
    assert with_interval(-1.0, -2.0, 0.0, minus="-") == "-1.0 [-2.0, +0.0]"
    assert with_interval(2.0) == "+2.0"
    assert with_interval(2.0, 1.0, 3.0, about="these weights") == "+2.0 [+1.0, +3.0] (these weights)"
    assert with_interval(2.0, 1.0, 3.0, about="training") == "+2.0 [+1.0, +3.0]"
    assert [with_interval(None), with_interval(None, missing="")] == ["–", ""]


def test_a_table_is_lines_of_cells() -> None:
    assert list(pipe_table(["a", "b"], [["1|2", "3"]])) == ["| a | b |", "| --- | --- |", "| 1\\|2 | 3 |"]
    assert list(pipe_table(["a", "b"], [], rule="---")) == ["| a | b |", "|---|---|"]
    assert list(pipe_table(["a"], [["b"]], cell=str.upper))[::2] == ["| A |", "| B |"]
