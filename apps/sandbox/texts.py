"""The words of the generated organisation: what its pull requests are about, by repository and kind of change."""

SUBJECTS: dict[str, tuple[str, ...]] = {
    "storefront": (
        "cart drawer", "product gallery", "search suggestions", "checkout summary", "price badge", "wishlist",
        "order history", "address form", "cookie banner", "size guide", "review stars", "category page",
        "promo code field", "image zoom", "delivery estimate", "account menu", "store locator", "gift message",
    ),
    "checkout-api": (
        "payment intents", "refund endpoint", "cart merge", "tax calculation", "idempotency keys", "order webhooks",
        "voucher validation", "3-D Secure redirect", "shipping quotes", "stock reservation", "invoice numbers",
        "partial capture", "currency rounding", "session tokens", "fraud score", "order export",
    ),
    "ledger": (
        "journal entries", "settlement import", "account balances", "FX revaluation", "period close", "audit trail",
        "payout batches", "reconciliation report", "posting rules", "chart of accounts", "chargeback entries",
        "balance snapshots", "fee allocation", "SEPA returns",
    ),
    "mobile-ios": (
        "onboarding screens", "push notifications", "barcode scanner", "offline basket", "Apple Pay sheet",
        "deep links", "order tracking map", "login with passkeys", "product carousel", "dark mode", "widget",
        "accessibility labels", "crash reporter", "image cache",
    ),
    "infra": (
        "staging cluster", "CI runners", "Postgres backups", "ingress timeouts", "alert routing", "DNS records",
        "Redis node pool", "log retention", "IAM roles", "certificate renewal", "VPC peering", "autoscaler limits",
        "Grafana dashboards", "secrets rotation",
    ),
    "data-pipeline": (
        "events ingestion", "orders model", "sessionisation", "late-arriving rows", "schema registry", "backfill job",
        "churn features", "revenue mart", "freshness checks", "PII masking", "partition pruning", "dbt tests",
        "currency dimension", "export to BigQuery",
    ),
    "design-system": (
        "Button", "DatePicker", "Modal", "Toast", "Tooltip", "Select", "colour tokens", "icon set", "focus ring",
        "spacing scale", "Table", "Tabs", "typography tokens", "Avatar", "Badge",
    ),
    "handbook": (
        "on-call guide", "incident template", "hiring loop", "code review guide", "release checklist",
        "meeting rules", "expense policy", "onboarding week", "security basics",
    ),
    "legacy-portal": (
        "login form", "invoice download", "session timeout", "password reset", "customer table", "PDF export",
        "newsletter opt-out",
    ),
}  # fmt: skip

DETAILS = (
    "on slow connections", "for guests", "after a timeout", "when the list is empty", "in the German locale",
    "for orders with several parcels", "on small screens", "behind a flag", "during deploys", "for archived records",
    "when a field is missing", "under load", "in the nightly run", "for enterprise accounts", "at month end",
    "with more than 1,000 items", "in Safari", "for the second attempt", "across time zones", "after a retry",
)  # fmt: skip

TITLES: dict[str, tuple[str, ...]] = {
    "feat": (
        "Add {s} {d}", "Support {s} {d}", "feat: {s} {d}", "Let support edit {s}", "Show {s} {d}",
        "Introduce {s}, first part", "{s}: new layout {d}", "feat({t}): configurable {s}", "Allow filtering of {s}",
        "Make {s} available {d}",
    ),
    "fix": (
        "Fix {s} {d}", "fix: {s} {d}", "{s}: do not fail {d}", "Correct {s} {d}", "fix({t}): race in {s}",
        "Handle missing values in {s}", "Stop {s} from flickering {d}", "Return the right status from {s}",
        "Fix off-by-one in {s}", "Fix cursor pagination of {s}",
    ),
    "refactor": (
        "Extract {s} into a module of its own", "refactor: simplify {s}", "Move {s} off the old client",
        "Split {s} into reader and writer", "Rename internals of {s}", "Remove dead code around {s}",
    ),
    "docs": (
        "docs: explain {s}", "Document {s} {d}", "Describe how {s} works", "Add an example for {s}",
        "Correct the runbook for {s}",
    ),
    "test": (
        "Cover {s} {d}", "test: flaky {s} suite", "Add contract tests for {s}", "Speed up the {s} tests",
        "Test {s} {d}",
    ),
    "chore": (
        "chore: clean up {s}", "Update settings of {s}", "ci: cache builds of {s}", "Turn on stricter types for {s}",
        "Drop the feature flag of {s}",
    ),
    "perf": (
        "perf: fewer queries in {s}", "Cache {s} {d}", "Load {s} lazily", "Halve the memory of {s}",
        "Avoid N+1 in {s} {d}",
    ),
}  # fmt: skip

# Rare titles that a page, an e-mail or a rule must get right.
ODD_TITLES = (
    "Escape <script>alert('order note')</script> in order notes",
    "Use <b>bold</b> totals in the e-mail, not &nbsp;",
    "Übersetzungen für München und Zürich ergänzen",
    "修复购物车金额显示问题",
    "Fix emoji 🎉 and right-to-left names (שלום) in labels",
    "Replace `SELECT *` in “recent orders”, 40 % faster",
    "Bump the anthropic SDK to 0.42 and pin its transport",
    "Evaluate Copilot and Cursor licences for the team (notes)",
    "Answer 'null' & \"undefined\" customer names",
    "Move the text cursor to the first invalid field",
)

DEPENDENCIES = (
    "cryptography", "@types/node", "django", "vite", "eslint", "sentry-sdk", "golang.org/x/net", "@anthropic-ai/sdk",
    "requests", "urllib3", "postcss", "terraform-aws-modules/eks", "pydantic", "react", "webpack", "openai", "lodash",
    "actions/checkout",
)  # fmt: skip

WHY = (
    "Support sees about {n} tickets a week on this.",
    "Customers reported that {s} behaves wrongly {d}.",
    "We need this before the next release of {r}.",
    "The old behaviour of {s} was never written down; this settles it.",
    "Follow-up to the incident review: {s} had no safety net.",
    "Came up while working on {s}: small, but it costs every build a minute.",
    "Part {m} of the work on {s}, split so that each part can be read on its own.",
)
HOW = (
    "The logic moves next to where it is used, and the caller no longer has to know about the retry.",
    "One query instead of one per row; the index that it needs is already there.",
    "The state is now derived, so the two flags cannot disagree any more.",
    "Behind the flag `{f}`, off by default; I will turn it on for staff first.",
    "No change for existing callers: the new argument has the old value as its default.",
    "I left the second case out on purpose, it needs a decision first.",
)
TESTING = (
    "Tested by hand in staging, and with the new cases in the suite.",
    "Covered by unit tests. The failing case from the ticket is one of them.",
    "Ran the full suite twice; the flaky one is not touched by this.",
    "Screenshots are in the ticket.",
    "Measured on a copy of production: p95 from {n}0 ms to {m}0 ms.",
)
DISCLAIMERS = ("No AI was used for this change.", "### AI disclosure: none")

COMMIT_VERBS = ("Add", "Fix", "Adjust", "Rename", "Cover", "Simplify", "Move", "Remove", "Handle", "Tidy")
FOLLOW_UPS = (
    "Address review comments", "Fix lint", "Rename as suggested in review", "Add the missing test", "Merge main",
    "Simplify after review", "Fix typo", "Restore the old default",
)  # fmt: skip

LABELS = {
    "feat": "enhancement", "fix": "bug", "docs": "documentation", "chore": "maintenance", "perf": "performance",
}  # fmt: skip
LABEL_COLORS = {
    "enhancement": "a2eeef", "bug": "d73a4a", "documentation": "0075ca", "maintenance": "fef2c0",
    "performance": "5319e7", "dependencies": "0366d6", "urgent": "b60205",
}  # fmt: skip

FOLDERS = ("src", "lib", "app", "tests", "internal", "docs")
SUFFIXES = {
    "TypeScript": "tsx", "Python": "py", "Go": "go", "Swift": "swift", "HCL": "tf", "Markdown": "md", "PHP": "php",
}  # fmt: skip
