"""A real browser, where there is one: headless Chromium, asked through its debugging protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-port=0"
)
_DEADLINE = 120


@dataclass
class Visit:
    """What happened when a page was opened."""

    errors: list[str] = field(default_factory=list)
    """Of scripts, the console and the security policy."""
    requests: list[str] = field(default_factory=list)
    """Addresses that were asked for, but for the page itself and data: and blob:."""
    answers: list[Any] = field(default_factory=list)
    """What each expression gave."""


def visit(
    page: Path, *expressions: str, width: int = 1280, dark: bool = False, screenshot: Path | None = None
) -> Visit:
    """Opens a page in a window of a width, up to 500 as a phone does, and evaluates expressions when all is drawn."""
    assert CHROMIUM is not None
    with _browser(page.parent / f"profile-{width}-{dark}") as address:
        return asyncio.run(_visit(address, page, expressions, width, dark, screenshot))


@contextmanager
def _browser(profile: Path) -> Iterator[str]:
    """Starts Chromium; gives where its debugging protocol is spoken."""
    profile.mkdir()
    command = [str(CHROMIUM), *_FLAGS.split(), f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if line.startswith("DevTools listening on "))
            yield line.removeprefix("DevTools listening on ").strip()
        finally:
            process.kill()
    shutil.rmtree(profile, ignore_errors=True)


async def _visit(
    address: str, page: Path, expressions: tuple[str, ...], width: int, dark: bool, screenshot: Path | None
) -> Visit:
    seen, loaded = Visit(), asyncio.Event()
    waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:

        async def listen() -> None:
            async for message in socket:
                content = json.loads(message.data)
                if "id" in content:
                    waiting.pop(content["id"]).set_result(content)
                else:
                    _note(content, seen, page, loaded)

        async def call(method: str, tab: str | None = None, **parameters: Any) -> dict[str, Any]:
            number = len(calls)
            calls.append(method)
            waiting[number] = asyncio.get_running_loop().create_future()
            place = {} if tab is None else {"sessionId": tab}
            await socket.send_json({"id": number, "method": method, "params": parameters, **place})
            answer = await asyncio.wait_for(waiting[number], _DEADLINE)
            assert "error" not in answer, f"{method}: {answer}"
            return dict(answer["result"])

        calls: list[str] = []
        listener = asyncio.create_task(listen())
        target = await call("Target.createTarget", url="about:blank")
        tab = (await call("Target.attachToTarget", targetId=target["targetId"], flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await call(f"{domain}.enable", tab)
        phone = width <= 500
        await call(
            "Emulation.setDeviceMetricsOverride", tab, width=width, height=900, deviceScaleFactor=1, mobile=phone
        )
        await call("Emulation.setTouchEmulationEnabled", tab, enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await call("Emulation.setEmulatedMedia", tab, features=[scheme])
        await call("Page.navigate", tab, url=page.as_uri())
        await asyncio.wait_for(loaded.wait(), _DEADLINE)
        settled = "new Promise(done => requestAnimationFrame(() => setTimeout(done, 500)))"
        for expression in (settled, *expressions):
            found = await call("Runtime.evaluate", tab, expression=expression, awaitPromise=True, returnByValue=True)
            assert "exceptionDetails" not in found, f"{expression}: {found}"
            seen.answers.append(found["result"].get("value"))
        if screenshot is not None:
            shot = await call("Page.captureScreenshot", tab, captureBeyondViewport=True, format="png",
                              clip=await _whole(call, tab))  # fmt: skip
            screenshot.write_bytes(base64.b64decode(shot["data"]))
        listener.cancel()
    del seen.answers[0]
    return seen


async def _whole(call: Any, tab: str) -> dict[str, float]:
    size = (await call("Page.getLayoutMetrics", tab))["cssContentSize"]
    return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}


def _note(event: dict[str, Any], seen: Visit, page: Path, loaded: asyncio.Event) -> None:
    parameters = event.get("params", {})
    match event["method"]:
        case "Page.loadEventFired":
            loaded.set()
        case "Runtime.exceptionThrown":
            seen.errors.append(str(parameters["exceptionDetails"]))
        case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
            seen.errors.append(str(parameters["args"]))
        case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
            seen.errors.append(str(parameters["entry"]))
        case "Network.requestWillBeSent":
            url = parameters["request"]["url"].partition("#")[0]
            if url != page.as_uri() and not url.startswith(("data:", "blob:")):
                seen.requests.append(url)
