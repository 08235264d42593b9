"""What goes wrong with an email in Outlook, which renders with Word's engine, and in
mail programs in general.

    pitfalls(message.html)      # ["<a>: padding"] for a link with padding, [] for an email that is right

Word knows tables and little else: no padding but on cells, no margin on cells, no width
but the attribute's on a cell, no `max-width`, no flex, grid, or float, no inherited
font inside a table, no SVG. Text between `<!--[if mso]>` and `<![endif]-->` is for Word
alone; what is in `<!--[if !mso]><!-->` is for all others.
"""

import re
from html.parser import HTMLParser

# Mail programs cut longer emails off (Gmail at 102 kB).
MAX_BYTES = 90_000
MIN_PREHEADER = 150
VOID = {"meta", "br", "img", "hr", "link", "input"}
ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "div",
        "table",
        "tr",
        "td",
        "p",
        "h1",
        "a",
        "strong",
        "span",
    ),
    *("br", "svg", "path", "g", "circle"),
}
NOT_IN_WORD = re.compile(
    r"display:\s*(flex|grid|inline-block|inline-flex)|float:|position:|\b(calc|var|rgba?|hsla?)\(|background:|!important"
)
SVG = {"svg", "path", "g", "circle"}
PADDED = {"td"}
FOR_OTHERS = re.compile(r"<!--\[if !mso\]><!-->.*?<!--<!\[endif\]-->", re.DOTALL)


def styles(attributes):
    """Return the declarations of a style attribute by their names."""
    found = {}
    for declaration in (attributes.get("style") or "").split(";"):
        name, _, value = declaration.partition(":")
        if value:
            found[name.strip()] = value.strip()
    return found


class Checker(HTMLParser):
    """Walks an email and collects what is wrong."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.open = []
        self.preheader = ""
        self.ghosts = 0

    def report(self, tag, what):
        self.found.append(f"<{tag}>: {what}")

    def handle_comment(self, data):
        if data.startswith("[if mso]"):
            self.ghosts += data.count("<table") - data.count("</table")

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        style = styles(attributes)
        if tag not in ALLOWED:
            self.report(tag, "is not one of the building blocks")
        if tag not in SVG:
            self.check_style(tag, attributes, style)
        if tag == "table":
            self.check_table(attributes, style)
        if tag == "a" and not (attributes.get("href") or "").startswith(
            ("http://", "https://")
        ):
            self.report(tag, f"leads to {attributes.get('href')!r}")
        if tag not in VOID:
            self.open.append((tag, attributes, style))

    def check_style(self, tag, attributes, style):
        text = attributes.get("style") or ""
        if NOT_IN_WORD.search(text):
            self.report(tag, f"Word does not know {NOT_IN_WORD.search(text)[0]!r}")
        for name in style:
            if (
                name.startswith("padding")
                and tag not in PADDED
                and not (tag == "body" and style[name] == "0")
            ):
                self.report(tag, "padding outside of a cell")
            if name.startswith("margin") and tag not in ("p", "h1", "body"):
                self.report(tag, "margin on something other than a paragraph")
            if name in ("width", "height", "max-height") and tag not in ("td", "div"):
                self.report(tag, f"{name} outside of a cell")
        if "padding" in style and len(style["padding"].split()) != 4 and tag == "td":
            self.report(tag, "padding without its four sides")
        if "width" in style and attributes.get("width") != style["width"].removesuffix("px"):
            self.report(tag, "a width without the attribute, or another one")
        if (
            "background-color" in style
            and attributes.get("bgcolor") != style["background-color"]
        ):
            self.report(tag, "a background without bgcolor")
        for color in re.findall(r"#[0-9a-zA-Z]+", text):
            if len(color) != 7:
                self.report(tag, f"color {color}")

    def check_table(self, attributes, style):
        wanted = {"role": "presentation", "border": "0", "cellpadding": "0", "cellspacing": "0"}
        for name, value in wanted.items():
            if attributes.get(name) != value:
                self.report("table", f"{name} is not {value}")
        if "max-width" in style and not self.ghosts:
            self.report("table", "max-width without a table for Word around it")

    def handle_endtag(self, tag):
        while self.open:
            name, *_ = self.open.pop()
            if name == tag:
                return
        self.report(tag, "is closed and was not opened")

    def handle_data(self, data):
        if not data.strip():
            return
        tags = [tag for tag, *_ in self.open]
        if "style" in tags or "title" in tags:
            return
        if any(attributes.get("class") == "preheader" for _, attributes, _ in self.open):
            self.preheader += data
            return
        if "td" not in tags:
            self.report(tags[-1] if tags else "body", "text outside of a cell")
            return
        cell = len(tags) - 1 - tags[::-1].index("td")
        inherited = {}
        for _, _, style in self.open[cell:]:
            inherited |= style
        for name in ("font-family", "font-size", "line-height", "color"):
            if name not in inherited:
                self.report(
                    tags[-1], f"text without {name} in its own cell: {data.strip()[:30]!r}"
                )


def pitfalls(html):
    """Return what is wrong with an email's HTML; nothing if it is right everywhere."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    found = checker.found
    if checker.ghosts:
        found.append("a table for Word is not closed")
    if any(tag in FOR_OTHERS.sub("", html) for tag in ("<svg", "<img")):
        found.append("a picture that Word is shown")
    if len(html.encode()) > MAX_BYTES:
        found.append(f"{len(html.encode()):,} bytes")
    return found


def preheader(html):
    """Return the words of the hidden line, and how many characters it has with its
    padding.
    """
    checker = Checker()
    checker.feed(html)
    words = re.sub(r"[\u034f\u2007\u00ad\u200c\s]+", " ", checker.preheader).strip()
    return words, len(checker.preheader)


def text_faults(text):
    """Return what spam filters and readers dislike in a plain text."""
    found = []
    if not text.strip():
        found.append("empty")
    if re.search(r"<[a-z/!][^>\s]*>", text):
        found.append("markup")
    if "{{" in text or "{%" in text:
        found.append("template")
    if "&amp;" in text or "&#x27;" in text or "&quot;" in text:
        found.append("escaped characters")
    if re.search(r"\n{4,}", text):
        found.append("empty lines")
    if max((len(line) for line in text.splitlines()), default=0) > 900:
        found.append("a line longer than SMTP allows")
    return found
