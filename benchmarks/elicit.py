"""How well `univar elicit` fills a server, beside the plain loop that one would write instead.

    python benchmarks/elicit.py [requests ...]

The server answers every request after 500 ms and has room for 256 at once, so that 512 answers a second are the most.
Each way runs in a process of its own; the plain loop only for the first number of requests.
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LATENCY, ROOM = 0.5, 256
UNDER_WAY = 512
"""Twice what the server has room for: as many requests wait there while answers are on their way."""


def serve() -> None:
    """Prints its port, and answers until it is killed."""
    from aiohttp import web

    room = asyncio.Semaphore(ROOM)
    message = {"role": "assistant", "content": "It depends on what was promised, and to whom."}
    reply = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 11, "total_tokens": 23},
    }
    body = json.dumps(reply).encode()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        async with room:
            await asyncio.sleep(LATENCY)
        return web.Response(body=body, content_type="application/json")

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def with_univar(url: str, number: int) -> None:
    from univar.corpus.asking.answers import AnswerFolder
    from univar.corpus.asking.elicitation import Plan, Sampling, elicit
    from univar.corpus.asking.models import LLM
    from univar.corpus.questions.bank import question_bank

    questions = question_bank()[:1000]
    plan = Plan(questions, [LLM("m", url, ("eng",), concurrency=UNDER_WAY)], Sampling(samples=number // len(questions)))
    with tempfile.TemporaryDirectory() as folder, AnswerFolder(Path(folder)) as answers:
        assert elicit(plan, answers)["m"].done == number


def with_a_plain_loop(url: str, number: int) -> None:
    from huggingface_hub import AsyncInferenceClient

    from univar.corpus.questions.bank import question_bank

    questions = [question.question for question in question_bank()[:1000]]

    async def run() -> list[str]:
        slots = asyncio.Semaphore(UNDER_WAY)
        async with AsyncInferenceClient(base_url=url, api_key="none") as client:

            async def ask(number: int) -> str:
                async with slots:
                    message = {"role": "user", "content": questions[number % len(questions)]}
                    output = await client.chat_completion([message], model="m", max_tokens=128, seed=number)
                    return output.choices[0].message.content

            return await asyncio.gather(*(ask(n) for n in range(number)))

    answers = asyncio.run(run())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "answers.json").write_text(json.dumps(answers))


WAYS = {"univar elicit": with_univar, "plain loop": with_a_plain_loop}


def measure(way: str, url: str, number: int) -> None:
    """Prints seconds, processor seconds and peak memory of one way."""
    WAYS[way](url, 1000)  # connections, imports and caches are not what is compared
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    WAYS[way](url, number)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": after.ru_maxrss / 1024}))


def main() -> None:
    numbers = [int(number) for number in sys.argv[1:]] or [10_000]
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    print("| requests | way | answers/s | of the ideal | client CPU, ms a request | peak memory, MB |")
    print("|---:|---|---:|---:|---:|---:|")
    try:
        for number in numbers:
            for way in WAYS if number == numbers[0] else ["univar elicit"]:
                command = [sys.executable, __file__, "--measure", way, url, str(number)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                ideal = number * LATENCY / ROOM
                print(
                    f"| {number:,} | {way} | {number / found['seconds']:.0f} | {ideal / found['seconds']:.1%} "
                    f"| {1000 * found['cpu'] / number:.2f} | {found['megabytes']:.0f} |",
                    flush=True,
                )
    finally:
        server.kill()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve()
    elif sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
