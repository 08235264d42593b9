"""Emails are read on phones, in programs that may know nothing of media queries, in
light and dark.
"""

import re

import pytest

from tests.mail.every_kind import ALL_KINDS, queue

pytestmark = pytest.mark.django_db

WIDTHS = (320, 390, 600, 700)
LONG = "acme-engineering-platform/" + "checkout_service" * 6


@pytest.fixture(autouse=True)
def _operators(settings):
    settings.ADMINS = ["Ops <ops@example.com>"]


@pytest.fixture(scope="module")
def mail_page(browser):
    page = browser.new_page()
    yield page
    page.close()


def assert_fits(page, html):
    page.set_content(html)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("styled", [True, False], ids=["with its style sheet", "without"])
def test_no_email_is_wider_than_its_window(mail_page, kind, styled):
    html = queue(kind)[0].html
    # Names without a space are the widest words of an email.
    html = html.replace("acme/checkout-api", LONG).replace("Acme Engineering", LONG)
    if not styled:
        html = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert_fits(mail_page, html)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_text_stands_out_from_its_background(mail_page, kind, scheme):
    mail_page.emulate_media(color_scheme=scheme)
    mail_page.set_content(queue(kind)[0].html)
    faults = mail_page.evaluate(CONTRAST)
    mail_page.emulate_media(color_scheme="light")
    assert faults == []


# The texts whose contrast with the background behind them is below 4.5, the least that
# WCAG wants.
CONTRAST = """() => {
  const light = (color) => {
    const parts = color.match(/[\\d.]+/g).map(Number);
    const [r, g, b] = parts.slice(0, 3).map((n) => n / 255)
      .map((n) => (n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(color)) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const faults = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (!text || getComputedStyle(element).display === "none") continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faults.push(`${ratio.toFixed(1)}: ${text.slice(0, 40)}`);
  }
  return faults;
}"""
