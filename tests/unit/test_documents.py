"""The same filing page is found in FinQA and ConvFinQA though they print it differently."""

from __future__ import annotations

from cocktail.data.documents import group_pages

PROSE = " ".join(f"word{number} of the long note on leases and fees ." for number in range(40))
FINQA = f"item 7 . notes continued {PROSE}\n|year|2012|2011|\n|fees|$ 6|$ -4 ( 4 )|\n|costs|5|3|"
CONVERSATION = f"{PROSE} \nyear | 2012 | 2011\nfees | $ 6 | $ -4 ( 4 )\ncosts | 5 | 3"


def test_dropped_headings_and_another_table_layout_leave_the_page_the_same() -> None:
    groups = group_pages([FINQA, CONVERSATION])
    assert groups[FINQA] == groups[CONVERSATION]


def test_other_pages_are_not_the_same_though_they_share_phrases() -> None:
    other = f"{PROSE[: len(PROSE) // 3]} the company owns a mill in velt and leases it to brantor . " * 3
    groups = group_pages([FINQA, other])
    assert groups[FINQA] != groups[other]


def test_small_tables_that_differ_in_one_number_are_two_pages() -> None:
    page = "velmora report .\n||this year|last year|\n|sales|{}|5|\n|costs|2|8|\nthe firm is in velt ."
    groups = group_pages([page.format(3), page.format(4)])
    assert len(set(groups.values())) == 2


def test_sameness_goes_along_chains_whatever_the_order() -> None:
    words = [f"w{number}" for number in range(60)]
    first, middle, last = (" ".join(words[start : start + 40]) for start in (0, 5, 10))
    for order in ([first, middle, last], [first, last, middle]):
        assert len(set(group_pages(order).values())) == 1
    assert len(set(group_pages([first, last]).values())) == 2  # without the middle they share too little


def test_a_page_of_a_few_words_is_only_the_same_as_itself() -> None:
    groups = group_pages(["fees 4", "fees 5", "Fees  4"])
    assert groups["fees 4"] == groups["Fees  4"] != groups["fees 5"]
