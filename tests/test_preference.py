"""Lines of preferences: what they say, that two which mean the same are one, and what is refused with the mend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.preference import preference_text, read_preference


def test_worked_example():
    """4 and 1 are .8 and .2; what has no part is not there."""
    assert read_preference(" purchase=4, click=1,view=0 ") == {"click": 0.2, "purchase": 0.8}
    assert preference_text({"purchase": 4, "click": 1, "view": 0}) == "click=0.2,purchase=0.8"
    assert read_preference("") == {}
    assert preference_text({}) == ""


@given(
    st.dictionaries(st.sampled_from(["a", "b b", "c=d"]), st.integers(1, 9), min_size=1),
    st.sampled_from([0.5, 2, 3]),
)
def test_ratios_alone_matter(parts: dict[str, int], factor: float):
    text = preference_text(parts)
    assert preference_text({name: factor * part for name, part in parts.items()}) == text
    assert preference_text(read_preference(text)) == text
    assert sum(read_preference(text).values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("click", "'click' is no part of a preference: write type=part"),
        ("click=much", "click=much is no part: write a number from 0 on, such as click=0.2$"),
        ("click=-1", "from 0 on"),
        ("click=1,click=2", "'click' has two parts, 1 and 2: say one"),
        ("click=1e308,buy=1e308", "are too large to be summed: only their ratios matter"),
        ("click=0", "has no part above 0: write one, such as click=1"),
    ],
)
def test_what_is_no_preference_is_told_with_what_is(text: str, told: str):
    with pytest.raises(ValueError, match=told):
        read_preference(text)
