"""What a long conversation of an agent takes in the database, against its bodies as they are.

Every call sends the whole history, with 100 KB of tools and system prompt; each panel of each
call is kept. Newly said is what a body has between the beginning and the end that it shares with
the one before it in the same format, and every answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recording import Recorder, RequestRecord
from transforms import PROVIDERS, json_text
from transforms.chat_request import INSTRUCTIONS
from transforms.contract import Call

JSON = dict[str, Any]

MODEL = "claude-sonnet-4-5"
SYSTEM_BYTES = 60_000
TOOLS = 40
TOOL_BYTES = 1_000
TURNS = 200

_SYLLABLES = ("ka", "lo", "mi", "ra", "te", "su", "no", "vi", "de", "pa", "shu", "gre", "al", "in")


@dataclass
class Sizes:
    """Bytes after each call."""

    whole: list[int] = field(default_factory=list)
    said: list[int] = field(default_factory=list)
    said_once: list[int] = field(default_factory=list)
    """In the client's format alone."""
    database: list[int] = field(default_factory=list)


class Agent:
    """Makes up a conversation; the same with each run."""

    def __init__(self, conversation: int = 0) -> None:
        """Conversations of other numbers share tools and system prompt with the first."""
        self._random = random.Random(20)
        self._tools = [self._tool(number) for number in range(TOOLS)]
        system = {"role": "system", "content": self._text(SYSTEM_BYTES)}
        self.messages: list[JSON] = [system]
        if conversation:
            self._random.seed(conversation)

    def request(self) -> JSON:
        """The next call."""
        fixed = {"temperature": 0.2, "max_tokens": 4096}
        return {"model": MODEL, "messages": self.messages, "tools": self._tools, **fixed}

    def turns(self, count: int) -> Iterator[JSON]:
        """The answers, one a call, each with what follows it added to the messages."""
        self.messages = [*self.messages, {"role": "user", "content": self._text(600)}]
        for turn in range(count):
            answer = self._answer(turn)
            yield answer
            self.messages = [*self.messages, answer, self._result(answer)]

    def _answer(self, turn: int) -> JSON:
        path = f"src/{self._word()}/{self._word()}.py"
        edit = {"path": path, "old": self._text(300), "new": self._text(400)}
        arguments = edit if turn % 3 == 0 else {"path": path, "lines": 80}
        name = f"tool_{turn % TOOLS}"
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"id": f"call_{turn:024}", "type": "function", "function": function}
        content = self._text(250) if turn % 2 else None
        return {"role": "assistant", "content": content, "tool_calls": [call]}

    def _result(self, answer: JSON) -> JSON:
        size = int(self._random.lognormvariate(7.6, 1.0))
        call_id = answer["tool_calls"][0]["id"]
        return {"role": "tool", "tool_call_id": call_id, "content": self._text(size)}

    def _tool(self, number: int) -> JSON:
        path = {"type": "string", "description": "A file, relative to the project's root."}
        schema = {"type": "object", "properties": {"path": path}, "required": ["path"]}
        about = self._text(TOOL_BYTES - 250)
        function = {"name": f"tool_{number}", "description": about, "parameters": schema}
        return {"type": "function", "function": function}

    def _word(self) -> str:
        return "".join(self._random.choices(_SYLLABLES, k=self._random.randint(1, 4)))

    def _text(self, size: int) -> str:
        text = ""
        while len(text) < size:
            ending = self._random.choice(["", "", "", "", ",", '"', ".\n"])
            text += f"{self._word()}{ending} "
        return text[:size]


async def measure(folder: Path, turns: int, provider: str) -> Sizes:
    """Records a conversation and looks at the file after each call."""
    path = folder / "chats.db"
    recorder = Recorder(f"sqlite:///{path}")
    recorder.start(asyncio.get_running_loop())
    agent, sizes = Agent(), Sizes()
    before = [b"", b""]
    whole = said = said_once = 0
    for turn, message in enumerate(agent.turns(turns)):
        bodies, answers = await record_call(recorder, agent.request(), turn, message, provider)
        while recorder.waiting:
            await asyncio.sleep(0.001)
        new = [_new(body, earlier) for body, earlier in zip(bodies, before, strict=True)]
        before = bodies
        whole += sum(map(len, [*bodies, *answers]))
        said += sum(new) + sum(map(len, answers))
        said_once += new[0] + len(answers[0])
        sizes.whole.append(whole)
        sizes.said.append(said)
        sizes.said_once.append(said_once)
        sizes.database.append(_used(path))
    recorder.stop()
    sizes.database[-1] = _used(path)
    return sizes


async def record_call(
    recorder: Recorder, request: JSON, turn: int, message: JSON, provider: str
) -> tuple[list[bytes], list[bytes]]:
    """Records a call with its answer; the bodies of both, OpenAI's first."""
    record = _record(request, provider)
    answers = [_openai_answer(turn, message), _anthropic_answer(turn, message)]
    tracker = await recorder.log_request(record)
    recorder.log_response(
        tracker, openai_response=answers[0], provider_response=answers[1], status_code=200
    )
    return [record.openai_request, record.provider_request], answers


def _record(request: JSON, provider: str) -> RequestRecord:
    call = Call(request, MODEL, "chatcmpl-1", 1)
    return RequestRecord(
        request_id=str(uuid.uuid4()),
        timestamp=1_795_000_000_000,
        openai_request=json_text.dumps(request),
        provider_request=json_text.dumps(PROVIDERS[provider].build_request(call).body),
        body=request,
        said=[each for each in request["messages"] if each["role"] not in INSTRUCTIONS],
        headers={"user-agent": "OpenAI/Python 3.54.0"},
        provider=provider,
        model=MODEL,
        provider_model=MODEL,
        upstream_url="https://api.anthropic.com/v1/messages",
        method="POST",
        path="/v1/chat/completions",
        stream=False,
    )


def _openai_answer(turn: int, message: JSON) -> bytes:
    usage = {"prompt_tokens": 512, "completion_tokens": 90, "total_tokens": 602}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    head = {"id": f"chatcmpl-{turn:029}", "object": "chat.completion", "created": 1_760_000_000}
    return json_text.dumps({**head, "model": MODEL, "choices": [choice], "usage": usage})


def _anthropic_answer(turn: int, message: JSON) -> bytes:
    (call,) = message["tool_calls"]
    function = call["function"]
    arguments = json.loads(function["arguments"])
    content: list[JSON] = [{"type": "text", "text": message["content"]}]
    content = content if message["content"] else []
    content.append(
        {"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments}
    )
    usage = {"input_tokens": 512, "output_tokens": 90}
    head = {"id": f"msg_{turn:024}", "type": "message", "role": "assistant", "model": MODEL}
    return json_text.dumps({**head, "content": content, "stop_reason": "tool_use", "usage": usage})


def _new(body: bytes, earlier: bytes) -> int:
    """Bytes between what a body begins with and ends with like an earlier one."""
    start = _common(body, earlier)
    end = _common(body[start:][::-1], earlier[start:][::-1])
    return len(body) - start - end


def _common(text: bytes, other: bytes) -> int:
    low, high = 0, min(len(text), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text[:middle] == other[:middle] else (low, middle - 1)
    return low


def _used(path: Path) -> int:
    """Bytes of the pages in use, those that are still in the log included."""
    with sqlite3.connect(path) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    connection.close()
    return (pages - free) * size


def print_table(sizes: Sizes) -> None:
    """What it takes, and how that grows."""
    print("calls    bodies as they are    newly said    (one format)    database    / newly said")
    for calls in (10, 25, 50, 100, 150, 200, 400):
        if calls <= len(sizes.whole):
            at = calls - 1
            said, database = sizes.said[at], sizes.database[at]
            figures = (sizes.whole[at], said, sizes.said_once[at], database)
            columns = "  ".join(f"{figure / 1000:13,.0f} KB" for figure in figures)
            print(f"{calls:5}  {columns}  {database / said:10.2f} x")
    print("\nEach call adds, on the average of 25 calls,")
    for first in range(0, len(sizes.whole) - 25, 50):
        whole, said, database = (
            (each[first + 25] - each[first]) / 25
            for each in (sizes.whole, sizes.said, sizes.database)
        )
        print(
            f"from call {first + 1:3}: bodies {whole / 1000:8.1f} KB, "
            f"newly said {said / 1000:5.1f} KB, database {database / 1000:5.1f} KB"
        )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--provider", default="anthropic", choices=["anthropic", "openai"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print_table(asyncio.run(measure(Path(folder), arguments.turns, arguments.provider)))


if __name__ == "__main__":
    main()
