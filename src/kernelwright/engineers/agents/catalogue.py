"""Clients that can be started as engineers, by name."""

from collections.abc import Mapping

from kernelwright.engineers.agents import claude_code, codex, hermes, openclaw, qoder, qwen_code, qwenpaw
from kernelwright.engineers.agents.kind import Kind

KINDS: Mapping[str, Kind] = {
    module.KIND.name: module.KIND for module in (claude_code, qwen_code, qoder, qwenpaw, openclaw, hermes, codex)
}
