"""A visitor who has a keyboard and no mouse.

keys = Keyboard(page)
keys.go_to("#totp-on")   # Tab until it has the focus; fails if it is not reached, or if a focus can't be seen
keys.press("Enter")      # and waits for the page that it leads to
"""

from playwright.sync_api import expect

MOST_STOPS = 60
# The element with the focus: is it visible, does it show its focus, does it follow the
# one before in the document?
STOP = """() => {
    const now = document.activeElement;
    const before = window.stopBefore;
    window.stopBefore = now;
    const style = getComputedStyle(now);
    const follows = !before || !before.isConnected || !!(before.compareDocumentPosition(now) & 4);
    return {
        name: now.outerHTML.slice(0, 120),
        shown: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && now.getClientRects().length > 0,
        follows,
    };
}"""


class Keyboard:
    def __init__(self, page):
        self.page = page

    def go_to(self, selector):
        """Press Tab until the element has the focus."""
        target = self.page.locator(selector)
        expect(target).to_be_visible()
        for _ in range(MOST_STOPS):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
            stop = self.page.evaluate(STOP)
            assert stop["shown"], f"no visible focus on {stop['name']}"
            assert stop["follows"], f"the focus jumps back to {stop['name']}"
        raise AssertionError(f"{selector} was not reached within {MOST_STOPS} stops")

    def type(self, selector, text):
        """Replace what is in the field."""
        self.go_to(selector)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def press(self, key="Enter"):
        """Press the key on what has the focus, and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def follow(self, selector):
        """Go to a link or a button and press it."""
        self.go_to(selector)
        self.press("Enter")
