/*
 * NAME
 *	words/sentences - every sentence that people read, in English, by name
 *
 * HOW WE SPEAK
 *	Calm, in whole sentences, to one person. First what is true now, then what happens next
 *	and when, then what the reader can do. Nobody is blamed, nothing is urgent unless it is.
 *	Straight quotes and no dashes, so that a letter stays plain ASCII where its contents are.
 *
 * ROWS
 *	SENTENCE(name, "text")	     stands for itself, WORDS_MAX_SENTENCE bytes at most
 *	PIECE(name, "text")	     becomes part of others, or of a button or label: short
 *	PLURAL(name, "one", "many")  a piece for each of the forms that numbers ask for; {n} is
 *				     the number
 *	COUNTED(name, "one", "many") the same for a whole sentence
 *	NOTE("text")		     tells translators of the next row what they cannot see
 *	Whoever includes this file defines those first; it takes the definitions away again. Each
 *	row is a member of struct words, a name for a site's template and an entry of the catalog.
 */
#ifndef NOTE
#define NOTE(text)
#endif

NOTE("The language of this catalog as a tag of BCP 47, such as de or pt-BR, for <html lang>.")
PIECE(language, "en")

/* times */
NOTE("Days and months stand in time_other_day, as in \"on Thu 26 Nov, 10:40 CET\".")
PIECE(weekday_sunday, "Sun")
PIECE(weekday_monday, "Mon")
PIECE(weekday_tuesday, "Tue")
PIECE(weekday_wednesday, "Wed")
PIECE(weekday_thursday, "Thu")
PIECE(weekday_friday, "Fri")
PIECE(weekday_saturday, "Sat")
PIECE(month_january, "Jan")
PIECE(month_february, "Feb")
PIECE(month_march, "Mar")
PIECE(month_april, "Apr")
PIECE(month_may, "May")
PIECE(month_june, "Jun")
PIECE(month_july, "Jul")
PIECE(month_august, "Aug")
PIECE(month_september, "Sep")
PIECE(month_october, "Oct")
PIECE(month_november, "Nov")
PIECE(month_december, "Dec")
NOTE("{zone} is the name of the time zone, such as CET.")
PIECE(clock, "{hour}:{minute} {zone}")
NOTE("For times less than an hour away.")
PIECE(clock_exact, "{hour}:{minute}:{second} {zone}")
NOTE("For the subject line of a letter.")
PIECE(clock_bare, "{hour}:{minute}")
NOTE("{clock} is one of those above. This and the two below stand where sentences have {when}.")
PIECE(time_today, "at {clock}")
PIECE(time_other_day, "on {weekday} {day} {month}, {clock}")
NOTE("{span} is a number of seconds, minutes, hours or days as below; {when} is one of the "
     "two above.")
PIECE(time_within, "in {span}, {when}")
PLURAL(seconds, "1 second", "{n} seconds")
PLURAL(minutes, "1 minute", "{n} minutes")
PLURAL(hours, "1 hour", "{n} hours")
PLURAL(days, "1 day", "{n} days")

/* who gets it */
NOTE("How many people get a mail: stands where sentences have {people}.")
PLURAL(people, "1 person", "{n} people")
PLURAL(people_at_least, "at least 1 person", "at least {n} people")
PIECE(people_unknown, "an unknown number of people")
NOTE("Behind names: \"anna@example.com, bob@example.com and 38 more\".")
PLURAL(and_more, "and 1 more", "and {n} more")
NOTE("Stands where sentences have {left}: they have the mail already.")
PLURAL(left, "{n} recipient", "{n} recipients")
PLURAL(series, "and {n} more mail of the same series, to the same people",
    "and {n} more mails of the same series, to the same people")
NOTE("Who has got the mail: this and the two below stand where sentences have {got}.")
PIECE(got_nobody, "Nobody has got it.")
SENTENCE(got_some, "It had already left for {left} before it was held; nobody else has got it.")
PIECE(got_unknown, "It was found on hold, and is not known from before: somebody may have got it.")
PIECE(no_subject, "(no subject)")

/* facts shown in a table */
NOTE("Labels: what stands behind them is about the mail.")
PIECE(fact_subject, "Subject")
PIECE(fact_to, "To")
NOTE("Before names or a number: who had the mail before it was held.")
PIECE(fact_left, "Had it before")
NOTE("Before \"and 12 more mails of the same series\".")
PIECE(fact_series, "Together with it")
NOTE("Before names: who answered everyone.")
PIECE(fact_answered, "Answered everyone")
NOTE("Before a time: since when the mail is held.")
PIECE(fact_since, "Held")
PIECE(why_title, "Why it was held")
PIECE(next_title, "What happens next")

/* the letter */
NOTE("The name of who writes the letters, in front of their address.")
PIECE(letter_from, "oops-milter")
SENTENCE(
    letter_subject_confirm, "Not sent yet: your mail \"{subject}\" to {people} is waiting for you")
NOTE("{clock} is time_today or time_other_day, with clock_bare.")
SENTENCE(letter_subject_undo, "Leaves {clock} unless you undo: \"{subject}\" to {people}")
SENTENCE(letter_confirm,
    "Your mail \"{subject}\" to {people} has not been sent yet. {got} It is safe on the mail "
    "server and waits for your word.")
SENTENCE(letter_undo,
    "Your mail \"{subject}\" to {people} has not left yet. It is kept back for a moment, so that "
    "you can still stop it.")
SENTENCE(letter_confirm_return, "If you do nothing, it comes back to you unsent {when}.")
SENTENCE(letter_confirm_send, "If you do nothing, it is sent {when}.")
SENTENCE(letter_undo_send, "If you do nothing, it leaves {when}.")
SENTENCE(letter_link_confirm, "To send it, or to stop it, open this page and choose there:")
SENTENCE(letter_link_undo, "To stop it, or to send it at once, open this page and choose there:")
PIECE(letter_button, "Look at it and choose")
SENTENCE(letter_link_note,
    "Opening the page changes nothing. The link is for you alone: whoever has it can choose for "
    "you, so please do not forward this letter.")
SENTENCE(letter_foot,
    "oops-milter, which looks after outgoing mail here, wrote this letter to you only. There is "
    "no need to answer it.")

SENTENCE(letter_as,
    "It was sent with your account, and has {from} as its author. If that was not you, tell your "
    "administrator.")
SENTENCE(letter_last,
    "You got many such letters within a day, so this is the last one for now: if more of your "
    "mail is held, its letters follow later. Your administrator can see all of it, and send it.")

/* for a storm of answers, to who waits and to the owner */
NOTE("The beginning of sentences about a storm of answers: it stands where they have {answered}.")
PLURAL(answered, "{n} person has", "{n} people have")
SENTENCE(letter_subject_storm, "Not sent yet: {answered} already answered everyone (\"{subject}\")")
SENTENCE(letter_storm,
    "{answered} already answered everyone, so your answer \"{subject}\" to {people} waits for a "
    "while. {got} It is safe on the mail server.")
SENTENCE(letter_storm_author,
    "Would an answer to {author} alone do? Then write to them, and stop this one below. Further "
    "answers of yours to everyone here wait as well, without another letter.")
SENTENCE(letter_storm_somebody,
    "Would an answer to the author alone do? Then write to them, and stop this one below. Further "
    "answers of yours to everyone here wait as well, without another letter.")
SENTENCE(letter_storm_return,
    "If you do nothing, it comes back to you unsent {when}, unless somebody lets all answers "
    "through before.")
SENTENCE(letter_storm_send, "If you do nothing, it is sent {when}.")
SENTENCE(letter_link_storm, "To stop it, and have it back at once, open this page:")
SENTENCE(letter_subject_block, "{answered} answered everyone: further answers wait (\"{subject}\")")
SENTENCE(letter_block,
    "{answered} answered everyone in a short time, each time to {people}: \"{subject}\". Further "
    "answers to everyone wait now, and their authors were asked whether an answer to one person "
    "would do.")
SENTENCE(letter_block_more,
    "You get this letter because you look after this list, or after mail here. There is only one "
    "for each storm.")
SENTENCE(letter_block_return,
    "If you do nothing, this ends {when}, and what waited goes back to its authors unsent.")
SENTENCE(letter_block_send, "If you do nothing, this ends {when}, and what waited is sent.")
SENTENCE(letter_link_block, "To let the answers through, open this page and choose there:")

/* the letter about what is too large to come back, and its page */
SENTENCE(letter_subject_kept, "Not sent, and still kept: your mail \"{subject}\"")
SENTENCE(letter_link_kept, "To send it after all, open this page and choose there:")
SENTENCE(kept_title, "Your mail is too large to come back to you")
SENTENCE(kept_text,
    "Your mail \"{subject}\" to {people} was not sent. It was to come back to you by a letter, "
    "but with all that is in it, that letter is larger than your mail server takes.")
SENTENCE(kept_next,
    "So it is still kept on the mail server, on hold. You can send it after all, or leave it "
    "where it is. If you need what is in it, ask your administrator.")
/* the letter about what left although it was stopped */
SENTENCE(letter_subject_left, "It left although it was stopped: your mail \"{subject}\"")
SENTENCE(letter_link_left, "This page shows what is known of it:")
SENTENCE(left_title, "Your mail left although it was stopped")
SENTENCE(left_text, "Your mail \"{subject}\" to {people} was stopped and was not to be sent.")
SENTENCE(left_released,
    "But the mail server, or somebody who looks after it, released it without being asked by you "
    "or by us. That was noticed {when}; it may have left before. {people} may have it.")
SENTENCE(left_gone,
    "But it, or a part of it, is missing in the mail server's queue, as was noticed {when}. It "
    "may have been sent, and then {people} may have it, or it was removed. If it matters, ask "
    "your administrator.")

/* the letter with a mail that comes back */
SENTENCE(letter_subject_back, "Not sent: your mail \"{subject}\" is back")
SENTENCE(back_expired,
    "Your mail \"{subject}\" to {people} was kept here until you would say whether it shall be "
    "sent. The time for that is over, so it was not sent, and comes back to you with this letter.")
SENTENCE(back_storm,
    "Many people had answered everyone, so your answer \"{subject}\" to {people} was kept here. "
    "Nobody let it through in time, so it was not sent, and comes back to you with this letter.")
SENTENCE(back_undone,
    "You stopped your mail \"{subject}\" to {people}. It comes back to you with this letter, so "
    "that nothing you wrote is lost.")
SENTENCE(back_undone_admin,
    "An administrator of your mail server stopped your mail \"{subject}\" to {people}. It comes "
    "back to you with this letter, so that nothing you wrote is lost.")
SENTENCE(
    back_nobody, "All of it was still on hold when this letter was written: nobody has got it.")
SENTENCE(
    back_left, "A part of it left the mail server without us, so some of them may have got it.")
SENTENCE(back_attached,
    "The whole mail is attached, just as you wrote it and with everything that was in it.")
SENTENCE(back_again,
    "To send it again, open the attachment in your mail program and choose \"Edit as new\" or "
    "\"Resend\", look at who gets it, and send it.")

/* the pages */
NOTE("Of the window; {title} is the title of the page.")
SENTENCE(page_title, "{title} - oops-milter")
SENTENCE(page_foot, "Looking at this page changes nothing. Only the buttons do.")
SENTENCE(about_title, "A second look at mail before it leaves")
SENTENCE(about_text,
    "This server keeps an eye on outgoing mail. When a mail is about to go to far more people "
    "than usual, it waits for a moment, and its sender gets a letter with a link to a page here, "
    "to send it or to stop it.")
SENTENCE(about_more,
    "There is nothing to do on this page. If you got such a letter, open the link in it.")

SENTENCE(placing_title, "Just a moment")
SENTENCE(placing_text,
    "Your mail \"{subject}\" to {people} is just being put on hold. This page looks again by "
    "itself in a few seconds.")

SENTENCE(confirm_title, "Your mail has not been sent yet")
SENTENCE(confirm_text, "It would go to {people}. It waits for your word.")
SENTENCE(confirm_return, "If you do nothing, it comes back to you unsent {when}.")
SENTENCE(confirm_send, "If you do nothing, it is sent {when}.")

SENTENCE(undo_title, "Your mail has not left yet")
SENTENCE(
    undo_text, "It is kept back for a moment before it goes to {people}. You can still stop it.")
SENTENCE(undo_next, "If you do nothing, it leaves {when}.")
SENTENCE(undo_unannounced,
    "If you do nothing, it leaves a while after the letter about it is on its way to you.")
SENTENCE(undo_now, "Its time has come: it leaves any moment now.")

SENTENCE(storm_title, "Your answer waits for a while")
SENTENCE(storm_text, "{answered} already answered everyone. Yours would go to {people}. It waits.")
SENTENCE(storm_note,
    "Would an answer to one person do? Then write to them, and stop this one: it comes back to "
    "you at once.")
PIECE(button_undo_storm, "Do not send it to everyone")
NOTE("{author} is an address: a link that opens the mail program of the reader.")
PIECE(storm_link, "Write to {author} only")
SENTENCE(block_title, "Answers to everyone wait")
SENTENCE(block_text,
    "{answered} answered everyone in a short time, each time to {people}. Further answers wait.")
SENTENCE(block_return, "This ends {when}, and what waited goes back to its authors unsent.")
SENTENCE(block_send, "This ends {when}, and what waited is sent.")
SENTENCE(block_note,
    "If you let them through, everything that waits is sent at once, and answers are left alone "
    "for a while.")
SENTENCE(block_over_title, "Answers to everyone pass again")
SENTENCE(block_lifted, "Somebody let them through {when}.")
SENTENCE(block_over, "The time of this was over {when}.")
PIECE(button_lift, "Let the answers through")

NOTE("Below the buttons that stop a mail or send it.")
SENTENCE(choose_note,
    "If you stop it, you can still change your mind for a while. Once it is sent, it cannot be "
    "called back.")
SENTENCE(choose_note_final,
    "Each of them is final: once it is stopped, it is not sent any more, and once it is sent, it "
    "cannot be called back.")
PIECE(button_undo_confirm, "Do not send it")
PIECE(button_send_confirm, "Send it to {people}")
PIECE(button_undo, "Undo: do not send it")
PIECE(button_send_now, "Send it now to {people}")
PIECE(button_restore, "Send it after all")

SENTENCE(nobody_has_it, "{got} That was seen in the mail server's queue {when}.")
SENTENCE(part_released,
    "But the mail server released a part of it without being asked, as was noticed {when}: some "
    "of these people may have it.")
SENTENCE(part_gone,
    "But a part of it is missing in the mail server's queue, as was noticed {when}: it may have "
    "been sent or removed. If it matters, ask your administrator.")

SENTENCE(sending_title, "Your mail is to be sent")
SENTENCE(sending_text,
    "The mail server is being asked to send it to {people}. This page looks again by itself.")
SENTENCE(sending_slow,
    "It leaves for {people} as soon as the mail server can take it up. That takes longer than "
    "usual, but nothing is lost and there is nothing to do.")

SENTENCE(sent_title, "Your mail was sent")
SENTENCE(sent_you, "You sent it {when}.")
SENTENCE(sent_admin, "An administrator of your mail server sent it {when}.")
SENTENCE(sent_timer, "Its time was over, so it left by itself {when}.")
SENTENCE(sent_owner, "Whoever looks after the list let the answers through, so it left {when}.")
SENTENCE(sent_other, "It was sent {when}.")
SENTENCE(sent_note, "The mail server has taken it up for {people}. There is nothing left to do.")

SENTENCE(stopping_title, "Your mail is to be stopped")
SENTENCE(stopping_text,
    "That is noted: it shall not be sent. The mail server's queue is being looked at, whether it "
    "is still there. This page looks again by itself.")

SENTENCE(undone_title, "Your mail was stopped")
SENTENCE(undone_you, "You stopped it {when}.")
SENTENCE(undone_admin, "An administrator of your mail server stopped it {when}.")
SENTENCE(undone_other, "It was stopped {when}.")
SENTENCE(undone_return, "It comes back to you {when}, so that nothing you wrote is lost.")
SENTENCE(undone_delete, "It is deleted for good {when}.")
SENTENCE(undone_note,
    "Until then you can still send it, to {people}. Once it is sent, it cannot be called back.")
SENTENCE(
    undone_wait, "You can change your mind about it in a moment. This page looks again by itself.")
NOTE("Opens a part of the page with a box to tick and the button Send it after all.")
PIECE(restore_open, "I changed my mind")
PIECE(restore_sure, "Yes, send it to {people} after all")
SENTENCE(unsure_title, "Please tick the box first")
SENTENCE(unsure_text,
    "This mail was stopped. To send it after all, go back, tick the box that stands above the "
    "button, and press the button then. Nothing was changed.")

SENTENCE(returning_title, "Your mail is coming back to you")
SENTENCE(returning_text,
    "It is not sent to anybody else. A letter with the whole mail attached comes to your mailbox "
    "in a moment. If that takes longer, it is safe on the mail server until then.")
SENTENCE(returning_stuck,
    "It is not sent to anybody else. No letter could bring it to your mailbox so far, so it stays "
    "on hold on the mail server, and a letter is tried again and again. If you need it now, ask "
    "your administrator.")
SENTENCE(returned_title, "Your mail came back to you")
SENTENCE(returned_text, "It was not sent, and was returned to you {when}.")
SENTENCE(returned_note,
    "You find it in your mailbox, attached to a letter with all that was in it, and can send it "
    "anew from there.")
SENTENCE(returned_bounce, "You find it in your mailbox, attached to a report of the mail server.")
SENTENCE(deleted_title, "Your mail was deleted")
SENTENCE(deleted_text, "It was stopped, and then deleted {when}.")
SENTENCE(lost_title, "Your mail is no longer here")
SENTENCE(lost_text,
    "The mail server, or somebody who looks after it, took this mail out of the queue. That was "
    "noticed {when}; it may have been gone before. It may have been sent, and then {people} may "
    "have it, or removed: if it matters, ask your administrator.")
SENTENCE(lost_released_title, "Your mail was released by the mail server")
SENTENCE(lost_released,
    "The mail server, or somebody who looks after it, released this mail without a word from you. "
    "That was noticed {when}; it may have left before. {people} may have it.")

/* before what became of it, when it was to be stopped after its sending had begun */
NOTE("On the page of somebody who pressed the button that stops a mail too late.")
SENTENCE(late_title, "Too late to stop it")
SENTENCE(
    late_text, "When you pressed the button its sending had begun already, so it was not stopped.")

/* pages that are about a request */
SENTENCE(unknown_title, "This link opens nothing")
SENTENCE(unknown_text,
    "It may be incomplete, or too old: a link ends some time after its mail was sent or stopped.")
SENTENCE(unknown_more,
    "If you followed it from a letter, open it again from there, whole. A mail that waits for you "
    "is safe in the meantime, and nothing was changed by coming here.")
SENTENCE(busy_title, "Please try again in a moment")
SENTENCE(busy_text,
    "The list of waiting mail cannot be read or changed just now. Your mail is safe on the mail "
    "server, and nothing was changed. Load this page again in half a minute.")
SENTENCE(bad_title, "That was not understood")
SENTENCE(bad_text,
    "The form did not arrive as this page sends it, so nothing was changed. Go back, load the "
    "page again and press the button once more.")
SENTENCE(foreign_title, "Please choose on the page itself")
SENTENCE(foreign_text,
    "This request came from another web site, so nothing was changed. Open the link in your "
    "letter and choose there.")
SENTENCE(method_title, "That cannot be done here")
SENTENCE(method_text,
    "This page can be looked at, and its buttons pressed; nothing else. Nothing was changed.")

/* why a mail was held: why_SIGNAL, or why_SIGNAL_CASE; see words/reason.h */
NOTE("Stands where the sentences below have {number}, when not all people are known.")
PIECE(number_at_least, "at least {n}")
PIECE(number_unknown, "an unknown number")
NOTE("Stands where the sentences below have {these}: who get the mail.")
PLURAL(these_people, "this person", "these {n} people")
PLURAL(these_addresses, "this list", "these {n} addresses")
NOTE("Stands where the sentences below have {who}, when the author of a mail is not known.")
PIECE(its_author, "its author")
SENTENCE(why_audience_size, "This goes to {people}.")
SENTENCE(
    why_size_for_sender_new_rare, "You are new here, and few mails here go to as many as {people}.")
SENTENCE(why_size_for_sender_new,
    "You are new here: how many people you usually write to is not known yet; this goes to "
    "{number}.")
SENTENCE(why_size_for_sender_fewer, "This goes to {people}; most of your mails go to fewer.")
SENTENCE(why_size_for_sender_some, "This goes to {people}; not all of your mails go to as many.")
COUNTED(why_size_for_sender_usual, "You usually write to {n} person; this goes to {number}.",
    "You usually write to {n} people; this goes to {number}.")
COUNTED(why_size_for_sender_range, "You usually write to {more}-{n} people; this goes to {number}.",
    "You usually write to {more}-{n} people; this goes to {number}.")
COUNTED(why_size_for_sender_open, "You usually write to {n} people or more; this goes to {number}.",
    "You usually write to {n} people or more; this goes to {number}.")
SENTENCE(why_size_vs_max_same, "This goes to {people}; none of your mails so far went to more.")
COUNTED(why_size_vs_max_larger,
    "The most people you have ever written to at once is {n}; this goes to {number}.",
    "The most people you have ever written to at once is {n}; this goes to {number}.")
COUNTED(why_size_vs_max_smaller,
    "The largest of your mails so far went to {n} person; this goes to {number}.",
    "The largest of your mails so far went to {n} people; this goes to {number}.")
SENTENCE(why_size_class_first_largest, "You have never written to as many as {people} before.")
SENTENCE(why_size_class_first_first, "You have never written to about as many as {people} before.")
SENTENCE(why_size_class_first_known, "You have written to about as many as {people} before.")
NOTE("{these} is one person or list here; in the next, all of several.")
SENTENCE(why_never_written_share_one, "You have never written to {these}.")
SENTENCE(why_never_written_share_all, "You have never written to any of {these}.")
COUNTED(why_never_written_share_some, "You have never written to {n} of {these}.",
    "You have never written to {n} of {these}.")
COUNTED(why_never_written_share_about, "You have never written to about {n} of {these}.",
    "You have never written to about {n} of {these}.")
SENTENCE(why_never_written_share_known_one, "You have written before to {these}.")
SENTENCE(why_never_written_share_known, "You have written before to all of {these}.")
COUNTED(why_never_written_count, "It reaches {n} person whom you have never written to.",
    "It reaches {n} people whom you have never written to.")
SENTENCE(why_stranger_share_one, "You have neither written to nor heard from {these}.")
SENTENCE(why_stranger_share_all, "You have neither written to nor heard from any of {these}.")
COUNTED(why_stranger_share_some, "You have neither written to nor heard from {n} of {these}.",
    "You have neither written to nor heard from {n} of {these}.")
COUNTED(why_stranger_share_about,
    "You have neither written to nor heard from about {n} of {these}.",
    "You have neither written to nor heard from about {n} of {these}.")
SENTENCE(why_stranger_share_known_one, "You have written to or heard from {these}.")
SENTENCE(why_stranger_share_known, "You have written to or heard from all of {these}.")
SENTENCE(why_familiarity_one, "You seldom or never write to {these}.")
SENTENCE(why_familiarity_all, "You seldom or never write to any of {these}.")
COUNTED(why_familiarity_some, "You seldom or never write to {n} of {these}.",
    "You seldom or never write to {n} of {these}.")
COUNTED(why_familiarity_about, "You seldom or never write to about {n} of {these}.",
    "You seldom or never write to about {n} of {these}.")
SENTENCE(why_familiarity_known_one, "You have written lately, if not often, to {these}.")
SENTENCE(why_familiarity_known, "You have written lately, if not often, to all of {these}.")
SENTENCE(why_covered_by_one_all, "A group you wrote to before holds all of {these}.")
NOTE("{these} is one person or list here; in the next, several.")
SENTENCE(why_covered_by_one_none_one, "No group you wrote to before holds {these}.")
SENTENCE(why_covered_by_one_none, "No group you wrote to before holds any of {these}.")
COUNTED(why_covered_by_one_some, "No group you wrote to before holds more than {n} of {these}.",
    "No group you wrote to before holds more than {n} of {these}.")
COUNTED(why_covered_by_one_about,
    "No group you wrote to before holds more than about {n} of {these}.",
    "No group you wrote to before holds more than about {n} of {these}.")
SENTENCE(why_closest_sent_none, "You have not written to a group with anybody of {these}.")
NOTE("{these} is one person or list here and in the next.")
SENTENCE(why_closest_sent_alone, "You have written to {these} alone before.")
SENTENCE(why_closest_sent_not_alone, "You have not written to {these} alone before.")
SENTENCE(why_closest_sent_unlike, "You have not written to a group like {these}.")
SENTENCE(
    why_closest_sent_like, "You have written to a group like {these}, but not to quite the same.")
SENTENCE(why_closest_sent_almost, "You have written to almost exactly {these} before.")
SENTENCE(why_closest_sent_same, "You have written to {these} before.")
COUNTED(why_exact_before_known, "You wrote to exactly {these} {n} time.",
    "You wrote to exactly {these} {n} times.")
SENTENCE(why_exact_before_never, "You have never written to exactly {these}.")
COUNTED(why_regular_mailing_steady, "You write to {these} about every day.",
    "You write to {these} about every {n} days.")
COUNTED(why_regular_mailing_unsteady,
    "You wrote to exactly {these} {n} time, at no steady interval.",
    "You wrote to exactly {these} {n} times, at no steady interval.")
SENTENCE(why_cohesion_none, "You have not written to any two of {these} together.")
SENTENCE(why_cohesion_each, "You have written to each of {these} together with another of them.")
COUNTED(why_cohesion_some, "Of {these} you wrote to only {n} together with another of them.",
    "Of {these} you wrote to only {n} together with another of them.")
SENTENCE(why_received_as_most, "This goes to most of those who got the mail you answer.")
SENTENCE(why_received_as_almost, "This goes to almost everybody who got the mail you answer.")
SENTENCE(why_received_as_everybody, "This goes to everybody who got the mail you answer.")
SENTENCE(why_received_as_same, "You get mail with {these}.")
SENTENCE(why_received_as_same_only, "You get mail with {these}; you do not write to that group.")
SENTENCE(why_received_as_like, "You get mail with a group like {these}.")
SENTENCE(why_received_as_like_only,
    "You get mail with a group like {these}; you do not write to that group.")
SENTENCE(why_received_as_unlike, "You do not get mail with a group like {these}.")
SENTENCE(
    why_group_authors_none, "Nobody is known to write to a group like this one of {addresses}.")
COUNTED(why_group_authors_some, "Only {n} person is known to write to this group of {addresses}.",
    "Only {n} people are known to write to this group of {addresses}.")
SENTENCE(why_group_authors_several, "Several people write to this group of {addresses}.")
SENTENCE(why_group_author_changes_one,
    "In this group of {addresses} people one person writes to all others.")
SENTENCE(why_group_author_changes_mostly,
    "In this group of {addresses} people mostly the same person writes to everybody.")
SENTENCE(why_group_author_changes_several,
    "In this group of {addresses} people several write to everybody in turn.")
SENTENCE(why_group_replied_to_all_never,
    "You have never answered everybody in this group of {addresses} people.")
COUNTED(why_group_replied_to_all_times,
    "You answered everybody in this group of {addresses} people {n} time.",
    "You answered everybody in this group of {addresses} people {n} times.")
SENTENCE(why_group_replied_to_author_only_never,
    "You have not yet answered the author alone of a mail to these {addresses} people.")
COUNTED(why_group_replied_to_author_only_always,
    "You answered mails to these {addresses} people {n} time before, each time the author alone.",
    "You answered mails to these {addresses} people {n} times before, each time the author "
    "alone.")
COUNTED(why_group_replied_to_author_only_times,
    "You answered mails to these {addresses} people {n} time before to the author alone.",
    "You answered mails to these {addresses} people {n} times before to the author alone.")
NOTE("{who} is the author of the mail that is answered, an address or its_author.")
SENTENCE(
    why_reply_kind_all, "This answers not only {who} but everybody who got the mail: {people}.")
SENTENCE(why_reply_kind_more,
    "This answers not only {who} but everybody who got the mail: {people}, and more.")
SENTENCE(
    why_reply_kind_others, "This answers a mail and does not go to its author, but to {people}.")
SENTENCE(why_reply_kind_plain, "This goes to {people}.")
SENTENCE(why_habit_reply_all_hardly, "You almost never answer everybody of a large mail.")
SENTENCE(why_habit_reply_all_seldom, "You seldom answer everybody of a large mail.")
SENTENCE(why_habit_reply_all_sometimes, "You now and then answer everybody of a large mail.")
SENTENCE(why_habit_reply_all_often, "You often, but not always, answer everybody of a large mail.")
SENTENCE(why_habit_reply_all_always, "You almost always answer everybody of a large mail.")
SENTENCE(why_habit_reply_all_unknown,
    "You are not known to have answered everybody of a large mail lately.")
SENTENCE(why_habit_lift_less, "You answer everybody less often than others here do.")
SENTENCE(why_habit_lift_more, "You answer everybody more often than others here do.")
SENTENCE(why_habit_lift_same, "You answer everybody about as often as others here.")
SENTENCE(why_replied_all_before_never, "You have not answered a large mail to everybody.")
SENTENCE(
    why_replied_all_before_long_ago, "It is long ago that you answered a large mail to everybody.")
COUNTED(why_replied_all_before_lately,
    "In recent months you answered a large mail to everybody about {n} time.",
    "In recent months you answered a large mail to everybody about {n} times.")
SENTENCE(
    why_one_to_one_author_hardly, "You hardly ever write to {who} alone; this goes to everybody.")
SENTENCE(why_one_to_one_author_once, "You have written to {who} alone; this goes to everybody.")
SENTENCE(why_one_to_one_author_sometimes,
    "You now and then write to {who} alone; this goes to everybody.")
SENTENCE(why_one_to_one_author_often, "You often write to {who} alone; this goes to everybody.")
SENTENCE(why_author_alone_share_all,
    "All your mails to {who} went to that person alone; this one goes to {people}.")
SENTENCE(why_author_alone_share_almost,
    "Almost all your mails to {who} went to that person alone; this one goes to {people}.")
SENTENCE(why_author_alone_share_most,
    "Most of your mails to {who} went to that person alone; this one goes to {people}.")
SENTENCE(why_author_alone_share_some,
    "Some of your mails to {who} went to that person alone; this one goes to {people}.")
SENTENCE(why_author_alone_share_hardly,
    "Hardly any of your mails to {who} went to that person alone; this one goes to {people}.")
SENTENCE(
    why_others_replied_all_unknown, "Nobody else is known to have answered this mail to everybody.")
SENTENCE(why_others_replied_all_wrote, "Others wrote to everybody before.")
SENTENCE(why_others_replied_all_nobody, "Nobody has yet answered this mail to everybody.")
COUNTED(why_others_replied_all_some, "{n} answer to everybody came before this one.",
    "{n} answers to everybody came before this one.")
COUNTED(why_minutes_since_parent_minutes, "The mail you answer is {n} minute old.",
    "The mail you answer is {n} minutes old.")
COUNTED(why_minutes_since_parent_hours, "The mail you answer is {n} hour old.",
    "The mail you answer is {n} hours old.")
COUNTED(why_minutes_since_parent_days, "The mail you answer is {n} day old.",
    "The mail you answer is {n} days old.")
SENTENCE(why_site_reply_all_hardly,
    "This answers everybody who got the mail, {people}; people here almost never do that.")
SENTENCE(why_site_reply_all_seldom,
    "This answers everybody who got the mail, {people}; people here seldom do that.")
SENTENCE(why_site_reply_all_sometimes,
    "This answers everybody who got the mail, {people}; people here now and then do that.")
SENTENCE(why_site_reply_all_often,
    "This answers everybody who got the mail, {people}; people here often, but not always, do "
    "that.")
SENTENCE(why_site_reply_all_always,
    "This answers everybody who got the mail, {people}; people here almost always do that.")
SENTENCE(why_site_reply_all_unknown,
    "This answers everybody who got the mail, {people}; nobody here is known to do that.")
SENTENCE(why_reached_by_bcc_yes,
    "You got the mail as a blind copy: answering tells {people} that you have it.")
SENTENCE(why_reached_by_bcc_no, "You did not get the mail as a blind copy.")
SENTENCE(why_reached_as_list, "You got the mail by a list only, and answer {people}.")
SENTENCE(why_reached_as_copy, "You got the mail as a copy only, and answer {people}.")
SENTENCE(why_reached_as_to, "You got the mail as one of those it is to, and answer {people}.")
SENTENCE(why_outside_domains_none, "It stays within your organisation.")
COUNTED(why_outside_domains_some, "It leaves your organisation for {n} other domain.",
    "It leaves your organisation for {n} other domains.")
SENTENCE(why_outsider_joins_yes,
    "So far only people of your organisation took part; now somebody from outside does.")
SENTENCE(why_outsider_joins_no, "Only people of your organisation take part.")
SENTENCE(why_outside_domain_first_none, "It goes to no outside domain that is new to you.")
NOTE("{who} is a domain here and in the next.")
SENTENCE(why_outside_domain_first_one, "You have never written to anybody at {who}.")
SENTENCE(why_outside_domain_first_only,
    "You have never written to anybody at {who}; all others are of your own domain.")
SENTENCE(why_look_alike_domain_yes,
    "One address looks almost like one that you know; it may be misspelt.")
SENTENCE(why_look_alike_domain_no, "No address looks almost like one that you know.")
SENTENCE(why_greeting_to_one_yes, "It greets one person by name and goes to {people}.")
SENTENCE(why_greeting_to_one_no, "It does not greet one person by name and goes to {people}.")
COUNTED(why_brief_reply, "It says {n} word, to {people}.", "It says {n} words, to {people}.")
SENTENCE(why_stranger_among_known_never, "You have never written to {who}.")
SENTENCE(why_stranger_among_known_heard, "You have only heard from {who}.")
SENTENCE(why_stranger_among_known_seldom, "You have seldom written to {who}.")
SENTENCE(why_stranger_among_known_never_here,
    "You have never written to {who}, while you know the others well.")
SENTENCE(why_stranger_among_known_heard_here,
    "You have only heard from {who}, while you know the others well.")
SENTENCE(why_stranger_among_known_seldom_here,
    "You have seldom written to {who}, while you know the others well.")
SENTENCE(why_stranger_among_known_least, "You know the others better than {who}.")
NOTE("{who} and {other} are two addresses of the reader.")
SENTENCE(
    why_wrong_account_all, "This goes out as {who}, to people whom you only write to as {other}.")
SENTENCE(why_wrong_account_some,
    "This goes out as {who}, also to people whom you only write to as {other}.")
SENTENCE(why_wrong_account_none, "This goes out as {who}.")
SENTENCE(why_look_alike_contact_yes,
    "You have never written to {who}, which looks like somebody you write to.")
SENTENCE(why_look_alike_contact_no, "No new address looks like that of somebody you write to.")
NOTE("{other} is a name, {who} an address.")
SENTENCE(why_look_alike_name_yes,
    "You usually write to another address of \"{other}\"; this one is {who}.")
SENTENCE(why_look_alike_name_no, "No new address has the name of somebody you write to.")
COUNTED(why_storm, "{n} person has already answered everyone.",
    "{n} people have already answered everyone.")
SENTENCE(why_adopted,
    "It was found waiting after a fault of this service, so you are asked again, whatever you "
    "chose before: if you stopped it, it comes back to you when you do nothing.")

#undef SENTENCE
#undef PIECE
#undef PLURAL
#undef COUNTED
#undef NOTE
