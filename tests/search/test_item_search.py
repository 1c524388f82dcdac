from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.search.item_search import ItemSearch, NoQuery, search_over


def items(*rows: tuple[str | None, str | None, str | None, str | None]) -> pd.DataFrame:
    columns = ["title", "description", "categories", "attributes"]
    return pd.DataFrame(rows, columns=columns, dtype=object).assign(
        item_id=[f"i{number}" for number in range(len(rows))]
    )


_PLANTS = ("roses", "beans", "herbs", "apples", "ferns", "tulips", "onions", "peas")


@pytest.fixture(scope="module")
def films() -> ItemSearch:
    return search_over(
        items(
            ("Toy Story", "A doll is threatened by a new spaceman toy.", "Animation|Children", "pixar"),
            ("Heat", "A detective hunts a crew of bank robbers.", "Crime|Thriller", None),
            (None, None, None, None),
            (
                "Alien",
                "The crew of a spaceship meets a deadly creature.",
                "Horror|Science fiction",
                "ridley scott",
            ),
            (None, None, None, "pixar|robots"),
            *((f"Garden {kind}", "How to grow it at home.", "Gardening", None) for kind in _PLANTS),
        )
    )


def test_what_shares_a_rare_word_comes_first(films: ItemSearch) -> None:
    found = films.find("spaceman", 2)
    assert found.items[0] == 0
    assert found.has_word.tolist() == [True, False]
    assert films.find("RIDLEY", 1).items.tolist() == [3]
    assert set(films.find("pixar", 2).items.tolist()) == {
        0,
        4,
    }  # attributes too, and of an item with nothing else


def test_what_means_the_same_is_found_without_a_word_of_it(films: ItemSearch) -> None:
    found = films.find("policeman chases thieves", 3)
    assert found.items[0] == 1
    assert not found.has_word.any()


def test_an_item_that_says_nothing_is_never_found(films: ItemSearch) -> None:
    found = films.find("spaceship", 100)
    assert sorted(found.items.tolist()) == [row for row in range(13) if row != 2]
    assert np.isfinite(found.scores).all()
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("query", ["", "  ", "?!", "—"])
def test_a_query_without_a_word_is_refused(films: ItemSearch, query: str) -> None:
    with pytest.raises(NoQuery, match="has no word"):
        films.find(query, 3)


def test_a_catalogue_that_says_nothing_finds_nothing() -> None:
    for over in (search_over(items((None, None, None, None))), search_over(items())):
        assert not over.has_text.any()
        assert over.find("spaceship", 3).items.size == 0


def test_items_that_say_the_same_stand_in_their_order() -> None:
    over = search_over(items(*[("The same", None, None, None)] * 4))
    assert over.find("the same", 3).items.tolist() == [0, 1, 2]
