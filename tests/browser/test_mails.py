"""Mails are read on phones, in programs that may know nothing of media queries."""

import re
from types import SimpleNamespace

import pytest
from django.template.loader import render_to_string

WIDTHS = (320, 390, 700)
LONG = "acme-engineering-platform/" + "checkout_service" * 6
CONTEXT = {
    "team": SimpleNamespace(name="Acme", slug="acme"),
    "recipient": SimpleNamespace(email=f"{'lead' * 12}@example.com"),
    "subject": "Subject",
    "heading": "Your first insights are ready",
    "totals": {"pull_requests": 123_456, "repositories": 10},
    "figures": [SimpleNamespace(value="123,456", label="of something, at least")] * 4,
    "lines": [SimpleNamespace(value="123,456", label="of something, at least", before="98,765")] * 4,
    "stop": f"https://example.com/weekly-mail/{'x' * 80}/",
    "insights": [SimpleNamespace(title=f"Reviews in {LONG} start later", body=LONG, advice=LONG)] * 2,
    "missing": [{"what": LONG, "why": "GitHub timed out (502)."}],
    "error": LONG,
    "link": "https://example.com/",
    "run_link": "https://example.com/run/",
    "reference": "b64ab8d4-ada7-4d57-8e43-6ed98bfe0338:1:complete",
}


@pytest.mark.parametrize(
    "template", ["onboarding/email/complete.html", "onboarding/email/failed.html", "onboarding/email/digest.html"]
)
@pytest.mark.parametrize("styled", [True, False], ids=["with its style sheet", "without"])
def test_no_mail_is_wider_than_its_window(browser, template, styled):
    html = render_to_string(template, CONTEXT)
    if not styled:
        html = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    page = browser.new_page()
    page.set_content(html)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()
