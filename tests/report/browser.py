"""A headless Chromium, spoken to over its debugging pipe."""

import base64
import itertools
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 240.0


class Browser:
    """One page of a browser: what it logged and asked for since it was opened."""

    def __init__(self, write_to: int, read_from: int) -> None:
        self._write_to, self._read_from = write_to, read_from
        self._ids, self._rest, self._session = itertools.count(1), b"", ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of one command."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write_to, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == number:
                assert "error" not in told, told["error"]
                return told["result"]
            self.events.append(told)

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read_from], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser says nothing"
            read = os.read(self._read_from, 1 << 20)
            assert read, "the browser is gone"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path, *, width: int, dark: bool = False, fragment: str = "") -> None:
        """Loads a page into a window of some width, and forgets what was logged before."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="screen", features=[scheme])
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=page.resolve().as_uri() + fragment)
        until = time.monotonic() + PATIENCE_SECONDS
        while self.value("document.readyState + location.protocol") != "completefile:":
            assert time.monotonic() < until, "the page is not loaded"
            time.sleep(0.02)

    def value(self, expression: str) -> Any:
        """What a script returns, waited for where it is a promise."""
        told = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def complaints(self) -> list[str]:
        """Errors and warnings that the page's console shows."""
        found = [told["params"] for told in self.events if told.get("method") == "Log.entryAdded"]
        said = [one["entry"]["text"] for one in found]
        thrown = [told for told in self.events if told.get("method") == "Runtime.exceptionThrown"]
        logged = [told for told in self.events if told.get("method") == "Runtime.consoleAPICalled"]
        return [*said, *(json.dumps(one["params"])[:300] for one in (*thrown, *logged))]

    def requests(self) -> list[str]:
        """Addresses that the page asked for, but for those that are in it."""
        sent = [told for told in self.events if told.get("method") == "Network.requestWillBeSent"]
        addresses = [str(one["params"]["request"]["url"]) for one in sent]
        return [address for address in addresses if not address.startswith(("data:", "about:"))]

    def picture(self, out: Path, *, height: int = 0) -> None:
        """Saves what the window shows, from the top of the page to a height where one is given."""
        clip = {"clip": {"x": 0, "y": 0, "width": self.value("innerWidth"), "height": height, "scale": 1}}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=bool(height), **(clip if height else {}))
        out.write_bytes(base64.b64decode(shot["data"]))

    def printed(self, out: Path) -> None:
        """Saves the page as it is printed on A4."""
        self.call("Emulation.setEmulatedMedia", media="print", features=[])
        told = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)
        out.write_bytes(base64.b64decode(told["data"]))


@contextmanager
def browsing(chromium: str, profile: Path) -> Iterator[Browser]:
    """A browser of one's own, ended afterwards."""
    to_browser, from_us = os.pipe()
    from_browser, to_us = os.pipe()

    def place_pipes() -> None:
        # The browser reads commands from 3 and answers on 4; the pipes may lie there already.
        high = [os.dup(one) for one in (to_browser, to_us)]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(
        [
            chromium,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=place_pipes,
    )
    for mine in (to_browser, to_us):
        os.close(mine)
    try:
        yield Browser(from_us, from_browser)
    finally:
        process.terminate()
        process.wait(timeout=30)
        for mine in (from_us, from_browser):
            os.close(mine)
