"""What the product promises of everything around it, and where that is shown: tables of
faults, and tests beside them.

    python -m tests.faults.promises      prints all of it, and how many rows each table has

A place is a table's module, whose rows are tried in all situations, or one test.
`test_table` checks that each is there.
"""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = "tests/faults/test_model_table.py"
SMTP = "tests/faults/test_smtp_table.py"
GITHUB = "tests/faults/test_github_table.py"
REDIS = "tests/faults/test_redis_table.py"
DATABASE = "tests/faults/test_database_table.py"
CLOCK = "tests/faults/test_clock_table.py"
GIT = "tests/faults/test_git_table.py"
OPTIONAL = "tests/faults/test_optional_table.py"

PROMISES = {
    "The language model": {
        "No answer of the model's fails a run": [MODEL, "tests/faults/test_model_boundary.py"],
        "A limit without end delays figures by the stated patience at most": [
            MODEL,
            "tests/metrics/llm/test_llm.py::test_limit_longer_than_the_patience_hands_over_to_the_background",
            "tests/metrics/llm/test_llm_servers.py::test_pauses_grow_whatever_the_server_asks",
        ],
        "What the server lost is read later": [
            "tests/metrics/llm/test_llm_servers.py::test_fault_of_the_server_loses_nothing",
            "tests/metrics/llm/test_llm_servers.py::test_answer_of_another_shape_is_read",
        ],
        "One bad request skips one pull request": [
            "tests/metrics/llm/test_llm_servers.py::test_only_the_offending_pull_request_is_skipped",
            "tests/metrics/llm/test_llm_servers.py::test_short_context_is_met_by_smaller_requests",
        ],
        "Parameters and formats of a server are learned": [
            "tests/metrics/llm/test_llm_servers.py::test_parameters_are_learned_once_and_remembered",
        ],
        "The budget ends without the server's help": [
            "tests/metrics/llm/test_llm_servers.py::test_budget_ends_although_the_server_sends_no_usage",
            "tests/metrics/llm/test_llm_servers.py::test_unbelievable_usage_is_replaced_by_our_estimate",
        ],
        "Messages for operators reach no one else; settings are checked at the start": [
            MODEL,
            "tests/project/test_operator_words.py::test_no_message_names_a_setting",
            "tests/project/test_operator_words.py::test_no_template_names_a_setting",
            "tests/project/test_llm_settings.py::test_mistake_ends_the_start_with_one_line",
        ],
        "A retry asks for what is missing and repeats no email": [
            "tests/metrics/llm/test_llm_servers.py::test_retry_asks_again_for_what_the_server_lost",
            "tests/onboarding/test_ai_gaps.py::test_retry_reads_and_does_not_repeat_the_email",
        ],
        "Reasons are bounded and masked": [
            "tests/metrics/llm/test_llm.py::test_a_key_of_300_kb_makes_no_reason_longer_than_500_characters",
            "tests/metrics/llm/test_llm.py::test_an_api_key_that_a_gateway_repeats_is_stored_nowhere",
        ],
    },
    "Email": {
        "Unsubscribing works by one click": [
            SMTP,
            "tests/mail/test_server.py::test_unsubscribe_header_is_one_plain_line",
            "tests/teams/test_email_preferences.py::test_one_click_turns_one_kind_off_without_session_or_token",
        ],
        "A passing fault of the mail server loses nothing": [
            SMTP,
            "tests/mail/test_server.py::test_wrong_settings_never_fail_a_message",
            "tests/mail/test_delivery.py::test_pauses_of_an_outage_grow_to_a_quarter_of_an_hour_for_a_weekend",
            "tests/mail/test_services.py::test_service_that_drips_is_ended",
        ],
        "No invitation reaches another mailbox": [
            "tests/mail/test_addresses.py::test_two_mailboxes_stay_two",
            "tests/mail/test_addresses.py::test_an_invitation_does_not_fit_another_mailbox",
        ],
        "One bad address stops no one else's email": [
            SMTP,
            "tests/mail/test_outbox.py::test_what_is_no_address_fails_alone",
        ],
        "A slow mail server delays no figures": [
            SMTP,
            "tests/mail/test_outbox.py::test_a_hint_goes_to_the_email_queue",
        ],
        "A lost reply makes two copies at most, and a busy server ends a round": [
            SMTP,
            "tests/mail/test_server.py::test_lost_answer_means_two_copies_at_most",
            "tests/mail/test_server.py::test_first_slow_down_ends_the_round_for_all",
            "tests/mail/test_services.py::test_lost_answer_means_two_copies_at_most",
        ],
        "A scanner that opens links confirms nothing, and a used link states that the address is confirmed": [
            "tests/users/test_proof.py::test_link_in_the_same_browser_confirms_and_signs_in",
            "tests/users/test_proof.py::test_link_in_another_browser_asks_for_a_new_password",
            "tests/users/test_proof.py::test_changed_address_needs_the_account_s_own_session",
        ],
        "Sign-in links, which a preview would use up, are there in development only": [
            "tests/users/test_sign_in_link.py::test_with_debug_off_there_are_none",
        ],
    },
    "Schedules and states": {
        "A second setup that fails ends no refreshes": [
            "tests/onboarding/test_nights.py::test_second_setup_that_does_not_end_well_ends_no_refreshes",
        ],
        "A missed night is made good": [
            "tests/onboarding/test_nights.py::test_missed_night_is_made_good_once",
            "tests/onboarding/test_nights.py::test_nights_are_spread_over_an_hour",
        ],
        "A paused night swallows no later one unsaid": [
            "tests/onboarding/test_refreshes.py::test_paused_night_is_emailed_once_and_goes_on_after_a_day",
        ],
        "A repository deleted in mid-run is named": [
            "tests/integrations/test_lost_repositories.py::test_deletion_in_mid_sync_stops_the_reading_of_that_repository",
        ],
    },
    "Queue, databases, process": {
        "Redis that refuses is reported, and pages work": [
            REDIS,
            "tests/project/test_outages.py::test_pages_and_probes_work_without_redis",
        ],
        "A damaged queue file is set aside with one warning": [
            "tests/pipelines/test_queue_file.py::test_damaged_file_is_set_aside_and_replaced",
            "tests/pipelines/test_queue_file.py::test_worker_goes_on_after_damage_while_it_runs",
        ],
        "A database that can't be written is named, and a lock is stated as a lock": [
            DATABASE,
            "tests/project/test_unwritable.py::test_database_that_cannot_be_written_is_named_at_the_start",
            "tests/onboarding/test_locked_database.py::test_run_states_the_lock_while_it_is_held",
            "tests/onboarding/test_locked_database.py::test_probe_states_the_lock_and_no_missing_worker",
        ],
        "A worker that SIGHUP restarts counts as working": [
            "tests/pipelines/test_worker.py::test_worker_that_starts_again_on_sighup_counts_as_working",
        ],
        "A team's unknown time zone fails nothing": [
            "tests/teams/test_zones.py::test_unknown_zone_is_utc",
            "tests/teams/test_zones.py::test_pages_of_a_team_with_an_unknown_zone_state_utc",
        ],
    },
    "Clocks and browsers": {
        "Limits are waited for by GitHub's clock": [CLOCK, GITHUB],
        "A removed member is told so, and the page asks nothing more": [
            "tests/browser/test_lost_access.py::test_removed_member_is_told_and_the_page_asks_nothing_more",
        ],
        "Many windows of one browser work": [
            "tests/browser/test_windows.py::test_all_windows_follow_the_run_to_its_end",
        ],
    },
    "Everything optional": {
        "Analytics, webhooks, and streams stop no run": [
            OPTIONAL,
            "tests/analytics/test_receivers.py::test_failing_table_keeps_no_one_from_signing_up_or_connecting",
        ],
        "Clones that can't be read are named": [GIT],
    },
}


def places():
    """Return every place once."""
    return {place for group in PROMISES.values() for shown in group.values() for place in shown}


def is_there(place):
    """Return whether a place exists: its file, and in it the test."""
    path, _, test = place.partition("::")
    file = ROOT / path
    return file.exists() and (
        not test or re.search(rf"^def {test}\(", file.read_text(), re.MULTILINE) is not None
    )


def rows_of(path):
    """Return how many rows a table's module has; 0 for a test that is not of a table."""
    found = re.fullmatch(r"tests/faults/test_(\w+)_table\.py", path)
    if found is None:
        return 0
    module = importlib.import_module(f"tests.faults.{found[1]}_rows")
    return sum(len(rows) for name, rows in vars(module).items() if name.endswith("ROWS"))


def main():
    # Some rows read the settings.
    importlib.import_module("tests.settings")
    for title, group in PROMISES.items():
        print(f"\n{title}\n")
        for promise, shown in group.items():
            print(f"  {promise}")
            for place in shown:
                rows = rows_of(place)
                print(f"    {place}" + (f" ({rows} rows)" if rows else ""))


if __name__ == "__main__":
    main()
