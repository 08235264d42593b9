"""The people of the generated organization, with their hours and habits, and its bots."""

from dataclasses import dataclass

from .records import Actor


@dataclass(frozen=True)
class Person:
    """`offset` is the distance to UTC in hours. `pace` is the number of pull requests
    relative to a colleague's 1.0.

    `tool` is the assistant whose marks some of this person's work has. `starts` is the
    hour at which the day begins.
    """

    login: str
    name: str
    offset: int
    pace: float = 1.0
    tool: str = ""
    starts: float = 9.0
    typename: str = "User"
    # Whether the account was deleted: its pull requests have no author, and its commits
    # keep the name and the email.
    deleted: bool = False

    @property
    def email(self) -> str:
        return f"{self.login.replace('-', '.')}@acme.example"

    @property
    def actor(self) -> Actor | None:
        return None if self.deleted else Actor(self.login, self.typename, self.name, self.email)


PEOPLE = (
    Person("mara-lindqvist", "Mara Lindqvist", 1, 1.1, "claude", 8.0),
    Person("tomasz-zielinski", "Tomasz Zielinski", 1, 0.7),
    Person("priya-raman", "Priya Raman", 5, 1.3, "cursor", 9.5),
    Person("jduarte", "João Duarte", 0, 1.0, "copilot", 10.0),
    Person("hannah-oconnor", "Hannah O'Connor", 0, 0.9),
    Person("kenji-mori", "Kenji Mori", 9, 1.2, "claude", 9.0),
    Person("aisha-bello", "Aisha Bello", 1, 1.0, "copilot", 8.5),
    Person("lukas-brandt", "Lukas Brandt", 1, 1.4, "claude", 7.5),
    Person("sofia-castellano", "Sofia Castellano", 1, 0.8, "", 9.0),
    Person("dmitri-volkov", "Dmitri Volkov", 2, 0.9, "cursor", 11.0),
    Person("emily-tran", "Emily Tran", -8, 1.2, "claude", 9.0),
    Person("marcus-webb", "Marcus Webb", -5, 0.8, "", 8.0),
    Person("olivia-hart", "Olivia Hart", -5, 1.0, "copilot", 9.0),
    Person("rafael-nunes", "Rafael Nunes", -3, 1.1, "", 9.0),
    Person("claude-moreau", "Claude Moreau", 1, 1.0, "", 9.0),
    Person("ingrid-solberg", "Ingrid Sølberg", 1, 0.7, "", 8.0),
    Person("wei-chen", "Wei Chen", 8, 1.2, "claude", 9.5),
    Person("nadia-haddad", "Nadia Haddad", 2, 0.9, "copilot", 9.0),
    Person("ben-okafor", "Ben Okafor", 0, 0.8, "", 9.5),
    Person("yuki-tanabe", "Yuki Tanabe", 9, 1.0, "cursor", 10.0),
    Person("sam-riley", "Sam Riley", -6, 1.3, "copilot", 8.5),
    Person("anneke-devries", "Anneke de Vries", 1, 0.9, "claude", 9.0),
    Person("gustav-ek", "Gustav Ek", 1, 0.6, "", 10.0),
    Person("leila-farahani", "Leila Farahani", 3, 1.0, "", 9.0),
    Person("jweber", "Jonas Weber", 1, 0.8, "", 9.0, deleted=True),
    Person("p-nowak-imported", "Piotr Nowak", 1, 0.3, "", 9.0, typename="Mannequin"),
)
BY_LOGIN = {person.login: person for person in PEOPLE}

VIEWER = Actor("mara-lindqvist", name="Mara Lindqvist", email="mara.lindqvist@acme.example")
ORGANIZATION = Actor(
    "acme",
    "Organization",
    "Acme Engineering",
    "engineering@acme.example",
    "2018-05-02T08:00:00Z",
)

DEPENDABOT = Actor("dependabot", "Bot", "dependabot[bot]")
DEVIN = Actor("devin-ai-integration", "Bot", "devin-ai-integration[bot]")
COPILOT_AGENT = Actor("copilot-swe-agent", "Bot", "copilot-swe-agent[bot]")
CODERABBIT = Actor("coderabbitai", "Bot", "coderabbitai[bot]")
BOTS = (DEPENDABOT, DEVIN, COPILOT_AGENT, CODERABBIT)
BOT_EMAILS = {
    "dependabot": "49699333+dependabot[bot]@users.noreply.github.com",
    "devin-ai-integration": "158243242+devin-ai-integration[bot]@users.noreply.github.com",
    "copilot-swe-agent": "198982749+Copilot@users.noreply.github.com",
}
