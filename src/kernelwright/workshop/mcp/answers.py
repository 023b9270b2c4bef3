"""Answers as text that fits a language model's turn: whole if it fits a page, else from an offset on."""

import json
from collections.abc import Mapping

Answer = Mapping[str, object]

# Tokens of one answer. Clients cut or refuse more than 20,000 to 25,000.
PAGE_TOKENS = 18_000
BYTES_A_TOKEN = 3
# What the frame of a cut answer takes.
_FRAME_TOKENS = 200
_DIGITS = str.maketrans("", "", "0123456789")


def token_estimate(text: str) -> int:
    """Return about how many tokens a text has, rather too many: three bytes each, digits one each.

    Code and prose have four bytes a token and more; some tokenisers take figures digit by digit.
    """
    others = text.translate(_DIGITS)
    return len(text) - len(others) + len(others.encode("utf-8", "replace")) // BYTES_A_TOKEN + 1


def format_answer(answer: Answer) -> str:
    """Return an answer as one line of JSON."""
    return json.dumps(answer, ensure_ascii=False, separators=(", ", ": "), allow_nan=False)


def page_of(answer: Answer, job: str, offset: int = 0, tokens: int = PAGE_TOKENS) -> str:
    """Return the JSON of an answer, or a frame around as much of it as fits `tokens`, from character `offset` on.

    The frame is {"job", "state": "cut", "characters", "offset", "next_offset", "text"}; the texts of all pages
    joined are the JSON of the answer. `next_offset` is null on the last page.
    """
    whole = format_answer(answer)
    if offset == 0 and token_estimate(whole) <= tokens:
        return whole
    end = page_end(whole, offset, tokens - _FRAME_TOKENS)
    frame: dict[str, object] = {"job": job, "state": "cut", "characters": len(whole), "offset": offset}
    frame |= {"next_offset": end if end < len(whole) else None, "text": whole[offset:end]}
    return format_answer(frame)


def page_end(whole: str, offset: int, tokens: int) -> int:
    """Return the largest end so that the text before it, written as a JSON string, has at most `tokens` tokens."""
    low, high = offset + 1, min(len(whole), offset + tokens * BYTES_A_TOKEN)
    if high <= low:
        return len(whole) if offset >= len(whole) else high
    while low < high:
        middle = (low + high + 1) // 2
        if token_estimate(json.dumps(whole[offset:middle], ensure_ascii=False)) <= tokens:
            low = middle
        else:
            high = middle - 1
    return low
