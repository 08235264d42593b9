"""Write allauth's headings, buttons, and labels as ours are written.

{% load account_words %}{{ "Two-Factor Authentication"|sentence_case }}   gives "Two-factor authentication"
"""

from django import template
from django.template.defaultfilters import stringfilter

register = template.Library()

# Names keep their capitals, so only these words lose theirs.
ORDINARY = {
    "Account",
    "Accounts",
    "Activate",
    "Address",
    "App",
    "Authentication",
    "Authenticator",
    "Code",
    "Codes",
    "Confirm",
    "Connections",
    "Current",
    "Deactivate",
    "Delete",
    "Download",
    "Edit",
    "Email",
    "Generate",
    "Key",
    "Keys",
    "Name",
    "New",
    "Out",
    "Password",
    "Recovery",
    "Remove",
    "Reset",
    "Security",
    "Set",
    "Sign",
    "Third-Party",
    "Two-Factor",
    "Up",
    "View",
}


@register.filter(is_safe=True)
@stringfilter
def sentence_case(text: str) -> str:
    """Return the text with its first word as it is, and ordinary words after it without
    a capital.
    """
    words = text.strip().split(" ")
    for index, word in enumerate(words):
        is_first = index == 0
        if is_first and word == "Two-Factor":
            words[index] = "Two-factor"
        elif not is_first and word in ORDINARY:
            words[index] = word.lower()
    return " ".join(words)
