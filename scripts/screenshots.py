"""The pictures of README and docs, taken from the real thing: web, worker and a paced
sandbox on a state of their own.

    make screenshots    into docs/screenshots/; needs Debian's Chromium (apt-get install chromium)

The made-up organization ends with today, so figures move from one making to the next.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from processes import MANAGE, ROOT, WEB, Children, listen

OUT = ROOT / "docs" / "screenshots"
MOST = 300_000  # bytes of a picture: they are loaded with the README
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
VARIANTS = {
    "": {"viewport": {"width": 1280, "height": 900}},
    "-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "-phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
    },
}
EMAIL, TEAM, SLUG = "lead@example.com", "Acme Engineering", "acme-engineering"
# Until PERCENT each answer of GitHub takes a moment; then so long that the run stands
# still for its pictures.
MOMENT, PERCENT, STILL = 0.15, 40, 30.0
START_SECONDS, RUN_SECONDS = 60, 300


def main() -> int:
    program = shutil.which("chromium")
    if program is None:
        print(
            "make screenshots: chromium is not installed (apt-get install chromium).",
            file=sys.stderr,
        )
        return 1
    OUT.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as state,
        Children() as children,
        sync_playwright() as playwright,
    ):
        site = Site(Path(state), children)
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            take(site, browser)
        finally:
            browser.close()
    return too_large()


def take(site: "Site", browser: Browser) -> None:
    site.faults({"delay": MOMENT})
    run = site.onboard()
    pages = {name: site.page(browser, **options) for name, options in VARIANTS.items()}
    for page in pages.values():
        page.goto(f"/t/{SLUG}/onboarding/")
        page.wait_for_url("**/runs/*/")
    wait_for(page, PERCENT)
    site.faults({"delay": STILL})
    for name, page in pages.items():
        shoot(page, f"live{name}")
    # The token is revoked in the midst, and works again when somebody retries.
    site.faults({"match": {"operation": "Detail"}, "after": 3, "status": 401})
    run.communicate(timeout=RUN_SECONDS)
    for name, page in pages.items():
        page.locator("#run-seq[data-state=failed]").wait_for(state="attached")
        shoot(page, f"live-failed{name}")
    site.faults()
    page.locator("#retry-all").click()
    done = page.locator("#run-seq[data-state=done]")
    done.wait_for(state="attached", timeout=RUN_SECONDS * 1000)
    for address, picture in (
        ("", "dashboard"),
        ("compare/", "compare"),
        ("onboarding/repositories/", "choose"),
    ):
        for name, page in pages.items():
            page.goto(f"/t/{SLUG}/{address}", wait_until="networkidle")
            shoot(page, f"{picture}{name}")


def wait_for(page: Page, percent: int) -> None:
    """Until the run is so far.

    The site's policy allows no wait_for_function, which evaluates text.
    """
    bar = page.get_by_role("progressbar", name="Setup")
    until = time.monotonic() + RUN_SECONDS
    while int(bar.get_attribute("aria-valuenow") or 0) < percent:
        if time.monotonic() > until:
            raise RuntimeError(f"The run did not reach {percent} %.")
        time.sleep(0.1)


def shoot(page: Page, name: str) -> None:
    page.evaluate("document.fonts.ready")
    page.screenshot(path=OUT / f"{name}.png")
    print(OUT / f"{name}.png")


def too_large() -> int:
    """1, and a line for each, where pictures are larger than they may be."""
    large = [path for path in sorted(OUT.glob("*.png")) if path.stat().st_size > MOST]
    for path in large:
        print(f"{path} has {path.stat().st_size:,} bytes, more than {MOST:,}.", file=sys.stderr)
    return 1 if large else 0


class Site:
    """The product over a sandbox, for as long as `children` live."""

    def __init__(self, state: Path, children: Children) -> None:
        (socket,) = listen(0)
        self.port = socket.getsockname()[1]
        os.environ |= {
            "DEBUG": "1",
            "STATE_DIR": str(state),
            "FIRSTLIGHT_DOTENV": "0",
            "PORT": str(self.port),
            "SITE_URL": self.url,
        }
        self.manage("migrate", "--verbosity", "0")
        with (state / "sandbox.log").open("ab") as log:
            sandbox = children.start(
                "sandbox",
                [*MANAGE, "sandbox", "--port", "0"],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert sandbox.stdout is not None
        self.github = sandbox.stdout.readline().removeprefix("sandbox: ").strip()
        os.environ |= {
            "GITHUB_API_URL": self.github,
            "SAMPLE_URL": self.github,
            "GITHUB_TOKEN": "demo",
            "LLM_BASE_URL": f"{self.github}/v1",
        }
        with (state / "log").open("ab") as log:
            children.start("worker", [*MANAGE, "run_worker"], stdout=log, stderr=log)
            command = [*WEB, "--quiet", "--fd", str(socket.fileno())]
            children.start("web process", command, sockets=(socket,), stdout=log, stderr=log)
        self._signed_in: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [*MANAGE, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()

    def onboard(self) -> subprocess.Popen[str]:
        """Start an onboarding of all that the sandbox has; the process ends with the
        run.
        """
        command = [
            *MANAGE,
            "onboard",
            "--team",
            TEAM,
            "--email",
            EMAIL,
            "--repos",
            ",".join(self.repositories()),
        ]
        return subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )

    def repositories(self) -> list[str]:
        request = urllib.request.Request(
            f"{self.github}/user/repos?per_page=100", headers={"Authorization": "Bearer t"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return [row["full_name"] for row in json.load(answer)]

    def faults(self, *faults: dict[str, Any]) -> None:
        """What GitHub does from now on: see apps/sandbox/faults.py."""
        request = urllib.request.Request(
            f"{self.github}/_sandbox/faults", json.dumps(faults).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=30).close()

    def page(self, browser: Browser, **options: Any) -> Page:
        """A page in a context of its own, in which the team's owner is signed in."""
        context = browser.new_context(
            base_url=self.url, reduced_motion="reduce", storage_state=self._signed_in, **options
        )
        page = context.new_page()
        if self._signed_in is None:
            page.goto(self._link())
            self._signed_in = context.storage_state()
        return page

    def _link(self) -> str:
        """A link that signs the owner in, as soon as there is an account."""
        until = time.monotonic() + START_SECONDS
        while True:
            done = subprocess.run(
                [*MANAGE, "sign_in_link", EMAIL],
                cwd=ROOT,
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode == 0:
                return done.stdout.strip()
            if time.monotonic() > until:
                raise RuntimeError(done.stderr)
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
