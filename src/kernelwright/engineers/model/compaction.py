"""Cuts a conversation that is full: what matters is in the record, and stands at the beginning of the new one."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from kernelwright.core.protocols import BudgetSpent
from kernelwright.engineers.model import texts
from kernelwright.engineers.model.conversation import Conversation, Said
from kernelwright.engineers.model.desk import Desk
from kernelwright.engineers.model.facts import run_facts
from kernelwright.engineers.model.fence import Fence
from kernelwright.engineers.model.memo import MOST_CHARACTERS, decisions_of, note_of, words_for
from kernelwright.engineers.model.providers import ModelName
from kernelwright.engineers.model.room import Room
from kernelwright.engineers.model.wire import ProviderFault

Ask = Callable[[Conversation, int], tuple[Said, ModelName]]
TOKENS_A_WORD = 3


class Cutter:
    """Counts the cuts of one conversation and carries them out; `ask` gets a reply from its model."""

    def __init__(self, desk: Desk, fence: Fence, ask: Ask) -> None:
        self._desk, self._fence, self._ask = desk, fence, ask
        self._cuts = 0

    def memo(self, conversation: Conversation, window: int) -> str:
        """Return what the model writes for itself, its decisions noted; empty when it could not be asked.

        A memo is worth having, never worth ending a run.
        """
        words = words_for(window)
        question = conversation.with_words(texts.SUMMARISE.format(words=words))
        try:
            said, _ = self._ask(question, words * TOKENS_A_WORD)
        except (ProviderFault, BudgetSpent):
            return ""
        memo = said.text.strip()[:MOST_CHARACTERS]
        decided = decisions_of(memo, self._desk.recall().notes)
        if decided:
            self._desk.call("notes", {"text": note_of(decided)})
        return memo

    def cut(
        self, conversation: Conversation, pinned: str, memo: str, room: Room, remaining: Mapping[str, float]
    ) -> Conversation:
        """Return the conversation made anew: the brief, the record's facts, the newest turns. An entry holds it."""
        self._cuts += 1
        recall = self._desk.recall()
        recall = replace(recall, summary=memo or recall.summary)
        facts = run_facts(recall, remaining, room.facts)
        self._desk.remark(
            "compaction",
            {
                "number": self._cuts,
                "summary": recall.summary,
                "facts": facts,
                "turns": len(conversation.turns),
                "tokens": conversation.tokens,
                "window": room.window,
            },
        )
        opening = f"{pinned}\n\n{texts.GO_ON.format(facts=self._fence.around(facts, 'record'))}"
        return room.kept(conversation, opening)
