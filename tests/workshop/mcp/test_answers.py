"""Whatever an answer holds, its pages are short and join to the whole."""

import json

from hypothesis import given
from hypothesis import strategies as st

from kernelwright.workshop.mcp.answers import format_answer, page_of, token_estimate

TEXTS = st.text(st.characters(codec="utf-8"), max_size=400)


@given(text=TEXTS, times=st.integers(1, 40), tokens=st.integers(600, 2000))
def test_pages_join_to_the_answer_and_none_is_longer_than_asked(text: str, times: int, tokens: int) -> None:
    answer = {"text": text * times, "figure": 1.25}
    page = page_of(answer, "j-1", tokens=tokens)
    assert token_estimate(page) <= tokens
    if page == format_answer(answer):
        return
    pieces, offset = [], 0
    while offset is not None:
        page = page_of(answer, "j-1", offset, tokens)
        assert token_estimate(page) <= tokens
        frame = json.loads(page)
        assert (frame["job"], frame["state"], frame["offset"]) == ("j-1", "cut", offset)
        pieces.append(frame["text"])
        offset = frame["next_offset"]
    assert json.loads("".join(pieces)) == answer


def test_a_token_is_three_bytes_or_one_digit() -> None:
    assert token_estimate("abc" * 100) == 101
    assert token_estimate("7" * 300) == 301
    assert token_estimate("核" * 100) == 101
