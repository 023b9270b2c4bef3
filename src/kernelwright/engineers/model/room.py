"""How a context window is shared out: what is pinned, what a reply, an answer and the memory may have."""

from dataclasses import dataclass

from kernelwright.engineers.model.calls import shortened
from kernelwright.engineers.model.conversation import Answer, Call, Conversation, Turn, cut_to, newest_that_fit
from kernelwright.workshop.mcp.answers import BYTES_A_TOKEN, PAGE_TOKENS

MOST_REPLY, MOST_FACTS, MOST_BRIEF = 16_384, 24_000, 40_000
LEAST_PAGE = 400
# Below this no brief, no tools and no kernel fit together.
LEAST_ROOM = 6_000


@dataclass(frozen=True)
class Room:
    """Shares of a window of that many tokens."""

    window: int

    @property
    def reply(self) -> int:
        """Return how many tokens a reply may have."""
        return min(self.window // 4, MOST_REPLY)

    @property
    def limit(self) -> int:
        """Return how long a conversation may be when a request begins."""
        return self.window - self.reply - self.window // 50

    @property
    def page(self) -> int:
        """Return how many tokens of an answer are shown at once."""
        return max(LEAST_PAGE, min(self.window // 10, PAGE_TOKENS))

    @property
    def brief(self) -> int:
        """Return how many tokens the pinned brief may have."""
        return min(self.window // 6, MOST_BRIEF)

    @property
    def facts(self) -> int:
        """Return how many tokens of the record stand at the beginning after a cut."""
        return min(self.window // 8, MOST_FACTS)

    @property
    def call_characters(self) -> int:
        """Return how long the arguments of a call may be that stays in the conversation."""
        return self.limit // 3 * BYTES_A_TOKEN

    def kept(self, conversation: Conversation, opening: str) -> Conversation:
        """Return the conversation with a new opening and as many of its newest turns as fit a third of what is left.

        The last turn always stays, cut if it must be: nobody has read its answers yet.
        """
        anew = Conversation(conversation.system, opening, conversation.tools)
        if not conversation.turns:
            return anew
        free = max(LEAST_PAGE, self.limit - anew.fixed_tokens)
        turns = newest_that_fit(conversation.turns, free // 3)
        if not turns:
            turns = (self.fitted(conversation.turns[-1], free * 2 // 3),)
        return Conversation(anew.system, anew.opening, anew.tools, turns)

    @staticmethod
    def fitted(turn: Turn, tokens: int) -> Turn:
        """Return the turn within about `tokens`: sources and answers cut, all calls kept."""
        if turn.tokens <= tokens:
            return turn
        share = max(60, tokens // (2 * len(turn.said.calls) + 2))
        calls = tuple(_refitted(call, share * BYTES_A_TOKEN) for call in turn.said.calls)
        by_id = {call.id: call for call in calls}
        answers = tuple(
            Answer(by_id.get(a.call.id, a.call), cut_to(a.text, share, "; make the call again to read it"))
            for a in turn.answers
        )
        said = type(turn.said)(cut_to(turn.said.text, share), calls, "", turn.said.finish, turn.said.usage)
        return Turn(said, answers, cut_to(turn.words, share))


def _refitted(call: Call, characters: int) -> Call:
    return shortened(call, characters)
