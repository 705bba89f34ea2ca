"""Uses a page in an installed Chromium as a reader would. What uses it follows, and is given a page and a folder for pictures.

It speaks the protocol of the developer tools over a pipe, which needs no package. It prints what it saw as JSON, and
`null` where there is no Chromium.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

pictures = sys.argv[2] if len(sys.argv) > 2 and sys.argv[2] else None
names = ("chromium", "chromium-browser", "google-chrome", "chrome")
browser = next(filter(None, map(shutil.which, names)), None)
if browser is None:
    print("null")
    sys.exit()

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe""".split()


class Browser:
    def __init__(self, folder):
        (to_read, self.write), (self.read, to_write) = os.pipe(), os.pipe()

        def connect():
            # The browser reads from 3 and writes to 4. Copies with high numbers are in neither's way.
            ends = [os.dup2(end, high) for end, high in ((to_read, 103), (to_write, 104))]
            for end, number in zip(ends, (3, 4)):
                os.dup2(end, number)

        self.process = subprocess.Popen(
            [browser, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            preexec_fn=connect, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self.number, self.buffer, self.events, self.session = 0, b"", [], None

    def message(self):
        while b"\0" not in self.buffer:
            more = os.read(self.read, 1 << 16)
            assert more, "the browser ended"
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        call = {"id": self.number, "method": method, "params": params}
        if self.session:
            call["sessionId"] = self.session
        os.write(self.write, json.dumps(call).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, (expression, result)
        return result["result"].get("value")

    def until(self, expression):
        for _ in range(300):
            if self.value(expression):
                return
            time.sleep(0.1)
        raise AssertionError(f"never: {expression}")

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def look(self, name, width, height, dark=False, full=True):
        if pictures is None:
            return
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        time.sleep(2)
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=full)
        with open(os.path.join(pictures, name), "wb") as file:
            file.write(base64.b64decode(shot["data"]))


def drive(page, use):
    """Uses a page, and prints what was seen, with its errors and what it loaded from elsewhere."""
    seen = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        tab = Browser(folder)
        try:
            target = tab.call("Target.createTarget", url="about:blank")["targetId"]
            tab.session = tab.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                tab.call(domain + ".enable")
            use(tab, seen)
            tab.value("1")
        finally:
            tab.process.terminate()
            tab.process.wait(30)

    events = [(event["method"], event["params"]) for event in tab.events if "params" in event and "method" in event]
    seen["errors"] = [
        params.get("exceptionDetails", {}).get("exception", {}).get("description") or params.get("entry", {}).get("text")
        for method, params in events
        if method == "Runtime.exceptionThrown" or (method == "Log.entryAdded" and params["entry"]["level"] == "error")
    ]
    urls = [params["request"]["url"] for method, params in events if method == "Network.requestWillBeSent"]
    seen["loaded"] = [url for url in urls if not url.startswith((page, "about:", "data:"))]
    print(json.dumps(seen))
