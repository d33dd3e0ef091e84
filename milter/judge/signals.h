/*
 * NAME
 *	judge/signals - every signal: its name in the scorecard, the unit of its value, and what the
 *	value is, for the auditor
 *
 *	Each is two functions in one of signals_*.c: judge_measure_NAME() finds the value,
 *	judge_fill_NAME() which of the sentences why_NAME_CASE (words/sentences.h) it is for the
 *	sender, and with what. A BODY_SIGNAL reads the start of the text.
 *
 *	Whoever includes this file defines both macros first; it takes the definitions away again.
 */

/* how many */
SIGNAL(audience_size, "people", "people behind the recipients")
SIGNAL(
    size_for_sender, "bits", "-log2 of the share of this sender's sends that go to as many or more")
SIGNAL(size_vs_max, "times", "people, relative to the largest send ever learned")
SIGNAL(size_class_first, "kind",
    "0 sends to about as many are known, 1 none are, 2 none are to as many or "
    "more")
/* who */
SIGNAL(never_written_share, "share", "recipients never written to")
SIGNAL(never_written_count, "people", "recipients never written to")
SIGNAL(stranger_share, "share", "recipients never written to nor heard from")
SIGNAL(familiarity, "0..1", "mean over recipients of recent sends, 2 count as 1")
SIGNAL(covered_by_one, "share", "recipients inside one audience written to before")
SIGNAL(closest_sent, "0..1", "likeness with the closest audience written to before")
SIGNAL(exact_before, "sends", "recent sends to exactly this audience")
SIGNAL(regular_mailing, "share", "how far the interval between sends to this audience varies")
SIGNAL(cohesion, "share", "recipients written to together with another of them")
SIGNAL(received_as, "kind",
    "0 no audience received from, 1 alike, 2 exactly one, 3 most of the answered "
    "mail's, 4 exactly the answered mail's")
SIGNAL(group_authors, "people", "who was seen to write to that audience")
SIGNAL(group_author_changes, "share", "mails to that audience whose writer was not the last one's")
SIGNAL(group_replied_to_all, "answers", "this sender's earlier answers to all of that audience")
SIGNAL(group_replied_to_author_only, "answers",
    "this sender's earlier answers to the author alone, of mails to that audience")
/* replies */
SIGNAL(reply_kind, "kind",
    "0 no reply, 1 author of small mail, 2 author of large, 3 all, 4 all and more, "
    "5 others")
SIGNAL(habit_reply_all, "share", "replies to all among those that could be")
SIGNAL(habit_lift, "bits", "log2 of that share over the site's own")
SIGNAL(replied_all_before, "replies", "recent replies to all of large mails")
SIGNAL(one_to_one_author, "sends", "recent sends to the author alone")
SIGNAL(author_alone_share, "share", "sends to the author that went to nobody else")
SIGNAL(others_replied_all, "answers", "answers to all seen before in this thread")
SIGNAL(minutes_since_parent, "minutes", "age of the answered mail")
SIGNAL(site_reply_all, "share", "the site's replies to all among those that could be")
SIGNAL(reached_by_bcc, "yes or no", "1 when the sender got the answered mail as Bcc")
SIGNAL(reached_as, "place",
    "where the answered mail named the sender: 0 To, 1 Cc, 2 nowhere, so by a "
    "list")
/* texts */
SIGNAL(outside_domains, "domains", "recipients' domains other than the sender's")
SIGNAL(outsider_joins, "yes or no",
    "1 when a thread of one domain goes to another domain for the first time")
SIGNAL(outside_domain_first, "kind",
    "an outside domain never written to: 0 none, 1 one, 2 while all others are of "
    "the sender's own domain")
SIGNAL(look_alike_domain, "yes or no", "1 when a new recipient's domain is almost a known one")
BODY_SIGNAL(greeting_to_one, "yes or no", "1 when the text greets one person by name")
BODY_SIGNAL(brief_reply, "words", "words outside quotations, in an answer to all")
/* persons */
SIGNAL(stranger_among_known, "kind",
    "least familiar recipient: 0 never seen, 2 only heard from, 3 seldom written "
    "to, 4 written to; 10 more when the others are well known")
SIGNAL(wrong_account, "share",
    "recipients whom only the person behind the login or envelope sender writes "
    "to")
SIGNAL(look_alike_contact, "yes or no",
    "1 when a recipient never written to has almost a usual contact's address")
SIGNAL(look_alike_name, "yes or no",
    "1 when a recipient never written to has the display name of a usual contact")

#undef SIGNAL
#undef BODY_SIGNAL
