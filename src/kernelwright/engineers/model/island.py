"""One conversation with a model at work on a run: asks, carries out, watches, cuts, until a rule ends it."""

import re
from dataclasses import replace

from kernelwright.core.errors import RequestError
from kernelwright.core.protocols import BudgetSpent
from kernelwright.engineers.model import texts
from kernelwright.engineers.model.answering import Answered, Answering
from kernelwright.engineers.model.calls import calls_in_text, holds_code, shortened
from kernelwright.engineers.model.compaction import Cutter
from kernelwright.engineers.model.conversation import Answer, Call, Conversation, Said, Turn, cut_to, joined
from kernelwright.engineers.model.desk import Desk, Shared, offered_tools
from kernelwright.engineers.model.facts import format_brief, run_facts
from kernelwright.engineers.model.fence import Fence
from kernelwright.engineers.model.guards import Patience
from kernelwright.engineers.model.news import News
from kernelwright.engineers.model.patience import PatientModel
from kernelwright.engineers.model.providers import ModelName
from kernelwright.engineers.model.room import LEAST_ROOM, Room
from kernelwright.engineers.model.wire import ProviderFault
from kernelwright.workshop.tools import TOOLS

MOST_CALLS = 8
# What ends the conversation of one who submits while others work: the run goes on.
SUBMITTED = "submitted while others work"
# Turns in a row that only repeat, or call what cannot be called, for each silent turn that would end the work.
CIRCLING_FACTOR = 4
MOST_TEXT_TOKENS = 4_000
MOST_RECORDED = 20_000
_REFUSAL = re.compile(r"\bI(?: am|'m)? (?:can ?not|can't|unable|won't|sorry,? but I can)\b", re.IGNORECASE)


class Island:
    """One conversation; `work` ends by BudgetSpent with the rule that ended it."""

    def __init__(self, name: str, desk: Desk, model: PatientModel, shared: Shared) -> None:
        self.name = name
        self._desk, self._model, self._shared = desk, model, shared
        self._room = Room(shared.window)
        self._fence, self._tools = Fence(), offered_tools()
        self._news = News(desk, self._fence)
        self._answering = Answering(desk, self._fence, self._news)
        self._cutter = Cutter(desk, self._fence, self._asked)
        self._patience, self._turns, self._ratio = Patience(), 0, 1.0
        self._entry = str(desk.recall().brief.get("entry", ""))

    def work(self) -> None:
        """Work until a rule ends it. Raises BudgetSpent, and what `PatientModel.ask` raises."""
        conversation = self._opened()
        while True:
            self._desk.heed()
            conversation = conversation.with_words(self._told_news())
            conversation, said, name = self._replied(conversation)
            turn = self._carried_out(said, name)
            conversation = conversation.with_turn(turn)

    def close(self) -> None:
        """End connections."""
        self._model.close()

    def _told_news(self) -> str:
        words, happened = self._news.read()
        if happened:
            self._answering.memory.others_changed()
        return words

    def _opened(self) -> Conversation:
        recall = self._desk.recall()
        conversation = Conversation(texts.SYSTEM.format(fence=self._fence.beginning), self._pinned(), self._tools)
        if not (recall.evaluations or recall.notes or recall.summary):
            return conversation.with_words(texts.BEGIN)
        facts = run_facts(recall, self._desk.remaining(), self._room.facts)
        return conversation.with_words(texts.GO_ON.format(facts=self._fence.around(facts, "record")))

    def _pinned(self) -> str:
        brief = format_brief(self._desk.recall().brief, self._room.brief)
        return texts.PINNED.format(brief=self._fence.around(brief, "brief"))

    def _replied(self, conversation: Conversation) -> tuple[Conversation, Said, ModelName]:
        """Return a reply, and the conversation that it answers: cut where it was too long for its window."""
        refused = False
        while True:
            if self._length(conversation) > self._room.limit:
                conversation = self._cut(conversation, with_memo=True)
            try:
                said, name = self._asked(conversation, self._room.reply)
                return conversation, said, name
            except ProviderFault as fault:
                if fault.kind == "window":
                    self._shrink(conversation, fault)
                elif refused:
                    raise RequestError(
                        f"the provider refuses the conversation even after it was cut: {fault}"
                    ) from None
                refused = refused or fault.kind == "refused"
                conversation = self._cut(conversation, with_memo=False)

    def _asked(self, conversation: Conversation, most: int) -> tuple[Said, ModelName]:
        """Return a reply of at most `most` tokens; what it took is in the record."""
        length = self._length(conversation)
        price = self._shared.prices.of(self._model.next_name)
        with self._shared.purse.reserved(length, most, price) as affordable:
            said, name = self._model.ask(conversation, affordable)
            self._desk.spent(name, said.usage)
        # What providers count corrects the estimate, slowly, so that one odd count does not cut a conversation.
        counted = said.usage.read / max(1, conversation.tokens)
        self._ratio += 0.3 * (min(2.0, max(0.5, counted)) - self._ratio)
        return self._desk.clean(said), name

    def _length(self, conversation: Conversation) -> int:
        return round(conversation.tokens * self._ratio)

    def _shrink(self, conversation: Conversation, fault: ProviderFault) -> None:
        window = min(self._room.window, self._length(conversation) + self._room.reply) * 4 // 5
        if window < LEAST_ROOM:
            raise RequestError(f"a model's window must hold {LEAST_ROOM} tokens for this work, it does not: {fault}")
        self._desk.nudge("window", f"the provider takes less than was assumed; from now on {window} tokens. {fault}")
        self._room = Room(window)

    def _cut(self, conversation: Conversation, with_memo: bool) -> Conversation:
        memo = self._cutter.memo(conversation, self._room.window) if with_memo else ""
        cut = self._cutter.cut(conversation, self._pinned(), memo, self._room, self._desk.remaining())
        self._answering.memory.forget_reading()
        return cut

    def _carried_out(self, said: Said, name: ModelName) -> Turn:
        """Return the turn that a reply makes: its calls answered, and what the rules say about it."""
        self._turns += 1
        self._record(said, name)
        from_text = () if said.calls else calls_in_text(said.text, TOOLS, self._turns)
        calls = said.calls or from_text
        if not calls:
            return self._silent(said)
        answered = [self._answered(call) for call in calls[:MOST_CALLS]]
        answered += [Answered(Answer(call, texts.TOO_MANY.format(most=MOST_CALLS))) for call in calls[MOST_CALLS:]]
        words = [word for one in answered for word in one.words]
        if said.finish == "length":
            words.append(texts.CUT_OFF.format(limit=said.usage.said))
        self._patience = self._patience.after(True, any(one.is_news for one in answered))
        words += self._circling()
        if from_text:
            self._desk.nudge("call written as text", texts.READ_FROM_TEXT)
            shown = [one.answer.text for one in answered]
            return Turn(self._kept(said), (), joined(*shown, texts.READ_FROM_TEXT, *words))
        kept = self._kept(said)
        answers = tuple(Answer(call, one.answer.text) for call, one in zip(kept.calls, answered, strict=True))
        return Turn(kept, answers, joined(*words))

    def _answered(self, call: Call) -> Answered:
        if call.tool == "submit" and not self._shared.is_last(self.name):
            # Others still work: the run ends with the last of them.
            raise BudgetSpent(SUBMITTED)
        return self._answering.answer(call, self._turns, self._room.page)

    def _kept(self, said: Said) -> Said:
        """Return the reply as it may stand in the conversation: no megabytes, no calls that a provider would refuse."""
        calls = tuple(shortened(call, self._room.call_characters) for call in said.calls)
        text = cut_to(said.text, min(MOST_TEXT_TOKENS, self._room.page))
        is_same = calls == said.calls and text == said.text
        return said if is_same else replace(said, text=text, calls=calls, raw=None)

    def _silent(self, said: Said) -> Turn:
        self._patience = self._patience.after(False, False)
        count, most = self._patience.silent, self._shared.silent_turns
        rule = f"gave up: {most} turns without a tool call"
        if count >= most:
            raise BudgetSpent(rule)
        if count == most - 1:
            rising = texts.LAST_SILENT.format(count=count, rule=rule)
        else:
            rising = texts.SILENT[min(count, len(texts.SILENT)) - 1].format(count=count)
        text = self._desk.nudge("no tool call", self._cause(said) + rising)
        return Turn(self._kept(said), (), text)

    def _cause(self, said: Said) -> str:
        if said.finish == "length":
            return texts.CUT_OFF.format(limit=said.usage.said)
        if said.finish == "content_filter" or _REFUSAL.search(said.text[:400]):
            return texts.REFUSED
        if holds_code(said.text, self._entry):
            return texts.CODE_IN_TEXT
        if not said.text.strip():
            return texts.REASONED if said.reasoning.strip() else texts.EMPTY
        return ""

    def _circling(self) -> list[str]:
        count, most = self._patience.circling, CIRCLING_FACTOR * self._shared.silent_turns
        rule = f"gave up: {most} turns without a call that was new and could be made"
        if count >= most:
            raise BudgetSpent(rule)
        if count and count % self._shared.silent_turns == 0:
            return [self._desk.nudge("circling", texts.CIRCLING.format(count=count, most=most, rule=rule))]
        return []

    def _record(self, said: Said, name: ModelName) -> None:
        """Write down what the model said; arguments of calls stand in the entries of the calls."""
        payload: dict[str, object] = {"model": str(name), "turn": self._turns, "finish": said.finish}
        payload["calls"] = [{"tool": call.tool[:100], "characters": len(call.arguments)} for call in said.calls[:50]]
        for key, text in (("text", said.text), ("reasoning", said.reasoning)):
            if text:
                payload[key] = text[:MOST_RECORDED]
                if len(text) > MOST_RECORDED:
                    payload[f"{key}_characters"] = len(text)
        self._desk.remark("model_turn", payload)
