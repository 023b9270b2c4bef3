"""One turn with an agent over the Agent Client Protocol, with the MCP servers of its own files."""

import subprocess
import sys
from pathlib import Path

from kernelwright.engineers.agents.acp import PROTOCOL, Connection


def main(agent: list[str]) -> int:
    with subprocess.Popen(agent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        connection = Connection(process.stdin, process.stdout, "kernelwright", lambda told: print(told, flush=True))
        connection.request("initialize", {"protocolVersion": PROTOCOL, "clientCapabilities": {}})
        session = connection.request("session/new", {"cwd": str(Path.cwd()), "mcpServers": []})["sessionId"]
        prompt = [{"type": "text", "text": "begin"}]
        connection.request("session/prompt", {"sessionId": session, "prompt": prompt})
        process.stdin.close()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
