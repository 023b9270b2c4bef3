"""Answers the calls of one conversation: makes new ones, gives known ones from memory, cuts long answers into pages."""

from collections.abc import Mapping
from dataclasses import dataclass

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.engineers.model import texts
from kernelwright.engineers.model.calls import Malformed, parse_arguments, refusal_text
from kernelwright.engineers.model.conversation import Answer, Call
from kernelwright.engineers.model.desk import Desk
from kernelwright.engineers.model.facts import architectures_of, format_tried
from kernelwright.engineers.model.fence import Fence
from kernelwright.engineers.model.guards import Memory, Oscillation, Stagnation
from kernelwright.engineers.model.news import News
from kernelwright.workshop.mcp.answers import page_of
from kernelwright.workshop.tools import TOOLS

MOST_PAGES = 32


@dataclass(frozen=True)
class Answered:
    """An answer, what the harness says beside it, and whether the call was made and brought something."""

    answer: Answer
    words: tuple[str, ...] = ()
    is_news: bool = False


class Answering:
    """Remembers what was called, and tells `news` what of the run was its own conversation's doing."""

    def __init__(self, desk: Desk, fence: Fence, news: News) -> None:
        self._desk, self._fence, self._news = desk, fence, news
        self.memory = Memory()
        self._oscillation, self._stagnation = Oscillation(), Stagnation()
        self._pages: dict[str, Mapping[str, object]] = {}
        self._numbered = 0

    def answer(self, call: Call, turn: int, page_tokens: int) -> Answered:
        """Return what a call is answered with. Raises BudgetSpent when the run is over."""
        try:
            arguments = self._checked(call)
        except (Malformed, RequestError) as error:
            text = refusal_text(RequestError(str(error)))
            self._desk.nudge("call that cannot be made", str(error))
            return Answered(self._told(call, text))
        if call.tool == "poll" and arguments.get("job") in self._pages:
            return Answered(self._told(call, self._next_page(arguments, page_tokens)), is_news=True)
        known = self.memory.find(call.tool, arguments)
        if known is not None:
            return self._from_memory(call, arguments, known.answer, page_tokens)
        return self._made(call, arguments, turn, page_tokens)

    def _checked(self, call: Call) -> dict[str, object]:
        if call.tool not in TOOLS:
            raise UnknownNameError("tool", call.tool[:60], TOOLS)
        return parse_arguments(call)

    def _made(self, call: Call, arguments: dict[str, object], turn: int, page_tokens: int) -> Answered:
        try:
            answer = dict(self._desk.call(call.tool, arguments))
        except RequestError as error:
            answer = {"refused": str(error)}
        words = self._steered(answer)
        if call.tool == "evaluate":
            self._news.evaluated(answer.get("evaluation"))
        if call.tool == "notes" and isinstance(arguments.get("text"), str):
            self._news.noted(str(arguments["text"]))
        self.memory.keep(call.tool, arguments, answer, turn)
        words += self._watched(call.tool, arguments, answer)
        return Answered(self._told(call, self._page(answer, page_tokens)), tuple(words), "refused" not in answer)

    def _from_memory(
        self, call: Call, arguments: Mapping[str, object], answer: Mapping[str, object], page_tokens: int
    ) -> Answered:
        if "source" in arguments:
            words = [self._desk.nudge("the same kernel again", texts.SAME_KERNEL)]
            words += self._oscillates(call.tool, arguments, answer)
        else:
            words = [self._desk.nudge("the same call again", texts.REPEATED)]
        return Answered(self._told(call, self._page(answer, page_tokens)), tuple(words))

    def _watched(self, tool: str, arguments: Mapping[str, object], answer: Mapping[str, object]) -> list[str]:
        """Return what the rules say after a call that was made."""
        words = self._oscillates(tool, arguments, answer)
        if tool != "evaluate" or "evaluation" not in answer:
            return words
        if answer.get("repeats") is not None:
            words.append(self._desk.nudge("equal IR", texts.SAME_IR.format(number=answer["repeats"])))
        if self._stagnation.saw(answer):
            rows = self._news.rows
            best = next((row for row in reversed(rows) if row.get("is_best")), None)
            told = f"evaluation {best['evaluation']}, {best['geomean_speedup']:.4g}x" if best else "the reference"
            tried = format_tried(architectures_of(rows)[-20:])
            text = texts.STAGNANT.format(
                count=self._stagnation.since, best=told, tried=self._fence.around(tried, "tried")
            )
            words.append(self._desk.nudge("stagnation", text))
        return words

    def _oscillates(self, tool: str, arguments: Mapping[str, object], answer: Mapping[str, object]) -> list[str]:
        pair = self._oscillation.saw(tool, arguments, answer)
        if pair is None:
            return []
        numbers = [str(number) for number in pair if number is not None]
        which = f", evaluations {' and '.join(numbers)}" if numbers else ""
        return [self._desk.nudge("oscillation", texts.OSCILLATING.format(which=which))]

    def _steered(self, answer: dict[str, object]) -> list[str]:
        """Take what people said out of an answer: it is to be followed, whatever stands around it is not."""
        told = answer.pop("steer", None)
        return [texts.STEERED.format(text=text) for text in told] if isinstance(told, list) else []

    def _told(self, call: Call, text: str) -> Answer:
        return Answer(call, self._fence.around(text, f"answer of {call.tool[:60]}"))

    def _page(self, answer: Mapping[str, object], page_tokens: int) -> str:
        job = f"page{self._numbered + 1}"
        text = page_of(answer, job, 0, page_tokens)
        if f'"job": "{job}"' in text[:40]:
            self._numbered += 1
            self._pages[job] = answer
            while len(self._pages) > MOST_PAGES:
                self._pages.pop(next(iter(self._pages)))
        return text

    def _next_page(self, arguments: Mapping[str, object], page_tokens: int) -> str:
        job, offset = str(arguments["job"]), arguments.get("offset", 0)
        return page_of(self._pages[job], job, offset if isinstance(offset, int) and offset >= 0 else 0, page_tokens)
