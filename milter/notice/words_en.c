/*
 * English.
 *
 * How we speak: calm, in whole sentences, to one person. First what is true now, then what
 * happens next and when, then what the reader can do. Nobody is blamed, nothing is urgent
 * unless it is. Straight quotes and no dashes, so that the letter stays plain ASCII where
 * its contents are.
 */
#include "milter/notice/words.h"

/* One thing, or several. */
static unsigned
words_en_plural(unsigned long n)
{
	return n == 1 ? 0 : 1;
}

const struct notice_words notice_words_en = {
	.language = "en",
	.plural = words_en_plural,
	.plurals = 2,

	.weekdays = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" },
	.months = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
	    "Dec" },
	.clock = "{hour}:{minute} {zone}",
	.clock_exact = "{hour}:{minute}:{second} {zone}",
	.clock_bare = "{hour}:{minute}",
	.time_today = "at {clock}",
	.time_other_day = "on {weekday} {day} {month}, {clock}",
	.time_within = "in {span}, {when}",
	.seconds = { { "1 second", "{n} seconds" } },
	.minutes = { { "1 minute", "{n} minutes" } },
	.hours = { { "1 hour", "{n} hours" } },
	.days = { { "1 day", "{n} days" } },

	.people = { { "1 person", "{n} people" } },
	.people_at_least = { { "at least 1 person", "at least {n} people" } },
	.people_unknown = "an unknown number of people",
	.and_more = { { "and 1 more", "and {n} more" } },
	.left = { { "{n} recipient", "{n} recipients" } },
	.series = { { "and {n} more mail of the same series, to the same people",
	    "and {n} more mails of the same series, to the same people" } },
	.got_nobody = "Nobody has got it.",
	.got_some = "It had already left for {left} before it was held; nobody else has got it.",
	.got_unknown =
	    "It was found on hold, and is not known from before: somebody may have got it.",
	.no_subject = "(no subject)",

	.fact_subject = "Subject",
	.fact_to = "To",
	.fact_left = "Had it before",
	.fact_series = "Together with it",
	.fact_answered = "Answered everyone",
	.fact_since = "Held",
	.why_title = "Why it was held",
	.next_title = "What happens next",

	.letter_from = "oops-milter",
	.letter_subject_confirm =
	    "Not sent yet: your mail \"{subject}\" to {people} is waiting for you",
	.letter_subject_undo = "Leaves {clock} unless you undo: \"{subject}\" to {people}",
	.letter_confirm = "Your mail \"{subject}\" to {people} has not been sent yet. {got} "
			  "It is safe on the mail server and waits for your word.",
	.letter_undo =
	    "Your mail \"{subject}\" to {people} has not left yet. It is kept back for a "
	    "moment, so that you can still stop it.",
	.letter_confirm_return = "If you do nothing, it comes back to you unsent {when}.",
	.letter_confirm_send = "If you do nothing, it is sent {when}.",
	.letter_undo_send = "If you do nothing, it leaves {when}.",
	.letter_link_confirm = "To send it, or to stop it, open this page and choose there:",
	.letter_link_undo = "To stop it, or to send it at once, open this page and choose there:",
	.letter_button = "Look at it and choose",
	.letter_link_note = "Opening the page changes nothing. The link is for you alone: "
			    "whoever has it can "
			    "choose for you, so please do not forward this letter.",
	.letter_foot = "oops-milter, which looks after outgoing mail here, wrote this "
		       "letter to you only. "
		       "There is no need to answer it.",

	.letter_as = "It was sent with your account, and has {from} as its author. If that was not "
		     "you, tell your administrator.",
	.letter_last =
	    "You got many such letters within a day, so this is the last one for now: if "
	    "more of your mail is held, its letters follow later. Your administrator can "
	    "see all of it, and send it.",

	.answered = { { "{n} person has", "{n} people have" } },
	.letter_subject_storm =
	    "Not sent yet: {answered} already answered everyone (\"{subject}\")",
	.letter_storm =
	    "{answered} already answered everyone, so your answer \"{subject}\" to {people} "
	    "waits for a while. {got} It is safe on the mail server.",
	.letter_storm_author =
	    "Would an answer to {author} alone do? Then write to them, and stop this one "
	    "below. Further answers of yours to everyone here wait as well, without another "
	    "letter.",
	.letter_storm_somebody =
	    "Would an answer to the author alone do? Then write to them, and stop this one "
	    "below. Further answers of yours to everyone here wait as well, without another "
	    "letter.",
	.letter_storm_return = "If you do nothing, it comes back to you unsent {when}, unless "
			       "somebody lets all answers through before.",
	.letter_storm_send = "If you do nothing, it is sent {when}.",
	.letter_link_storm = "To stop it, and have it back at once, open this page:",
	.letter_subject_brake =
	    "{answered} answered everyone: further answers wait (\"{subject}\")",
	.letter_brake = "{answered} answered everyone in a short time, each time to {people}: "
			"\"{subject}\". Further answers to everyone wait now, and their "
			"authors were asked whether an answer to one person would do.",
	.letter_brake_more = "You get this letter because you look after this list, or after "
			     "mail here. There is only one for each storm.",
	.letter_brake_return = "If you do nothing, this ends {when}, and what waited goes back "
			       "to its authors unsent.",
	.letter_brake_send = "If you do nothing, this ends {when}, and what waited is sent.",
	.letter_link_brake = "To let the answers through, open this page and choose there:",

	.letter_subject_kept = "Not sent, and still kept: your mail \"{subject}\"",
	.letter_link_kept = "To send it after all, open this page and choose there:",
	.kept_title = "Your mail is too large to come back to you",
	.kept_text =
	    "Your mail \"{subject}\" to {people} was not sent. It was to come back to you by a "
	    "letter, but with all that is in it, that letter is larger than your mail server "
	    "takes.",
	.kept_next =
	    "So it is still kept on the mail server, on hold. You can send it after all, or "
	    "leave it where it is. If you need what is in it, ask your administrator.",
	.letter_subject_left = "It left although it was stopped: your mail \"{subject}\"",
	.letter_link_left = "This page shows what is known of it:",
	.left_title = "Your mail left although it was stopped",
	.left_text = "Your mail \"{subject}\" to {people} was stopped and was not to be sent.",
	.left_released =
	    "But the mail server, or somebody who looks after it, released it without being asked "
	    "by you or by us. That was noticed {when}; it may have left before. {people} may have "
	    "it.",
	.left_gone =
	    "But it, or a part of it, is missing in the mail server's queue, as was noticed "
	    "{when}. It may have been sent, and then {people} may have it, or it was removed. If "
	    "it matters, ask your administrator.",

	.letter_subject_back = "Not sent: your mail \"{subject}\" is back",
	.back_expired =
	    "Your mail \"{subject}\" to {people} was kept here until you would say whether it "
	    "shall be sent. The time for that is over, so it was not sent, and comes back to "
	    "you with this letter.",
	.back_storm = "Many people had answered everyone, so your answer \"{subject}\" to {people} "
		      "was kept here. Nobody let it through in time, so it was not sent, and comes "
		      "back to you with this letter.",
	.back_undone =
	    "You stopped your mail \"{subject}\" to {people}. It comes back to you with this "
	    "letter, so that nothing you wrote is lost.",
	.back_undone_admin =
	    "An administrator of your mail server stopped your mail \"{subject}\" to {people}. It "
	    "comes back to you with this letter, so that nothing you wrote is lost.",
	.back_nobody =
	    "All of it was still on hold when this letter was written: nobody has got it.",
	.back_left =
	    "A part of it left the mail server without us, so some of them may have got it.",
	.back_attached =
	    "The whole mail is attached, just as you wrote it and with everything that "
	    "was in it.",
	.back_again =
	    "To send it again, open the attachment in your mail program and choose \"Edit as new\" "
	    "or \"Resend\", look at who gets it, and send it.",

	.page_title = "{title} - oops-milter",
	.page_foot = "Looking at this page changes nothing. Only the buttons do.",
	.about_title = "A second look at mail before it leaves",
	.about_text = "This server keeps an eye on outgoing mail. When a mail is about to "
		      "go to far more "
		      "people than usual, it waits for a moment, and its sender gets a "
		      "letter with a link "
		      "to a page here, to send it or to stop it.",
	.about_more = "There is nothing to do on this page. If you got such a letter, open "
		      "the link in it.",

	.placing_title = "Just a moment",
	.placing_text = "Your mail \"{subject}\" to {people} is just being put on hold. "
			"This page looks again "
			"by itself in a few seconds.",

	.confirm_title = "Your mail has not been sent yet",
	.confirm_text = "It would go to {people}. It waits for your word.",
	.confirm_return = "If you do nothing, it comes back to you unsent {when}.",
	.confirm_send = "If you do nothing, it is sent {when}.",

	.undo_title = "Your mail has not left yet",
	.undo_text =
	    "It is kept back for a moment before it goes to {people}. You can still stop it.",
	.undo_next = "If you do nothing, it leaves {when}.",
	.undo_unannounced = "If you do nothing, it leaves a while after the letter about it is on "
			    "its way to you.",
	.undo_now = "Its time has come: it leaves any moment now.",

	.storm_title = "Your answer waits for a while",
	.storm_text = "{answered} already answered everyone. Yours would go to {people}. "
		      "It waits.",
	.storm_note = "Would an answer to one person do? Then write to them, and stop this "
		      "one: it comes back to you at once.",
	.button_undo_storm = "Do not send it to everyone",
	.storm_link = "Write to {author} only",
	.brake_title = "Answers to everyone wait",
	.brake_text = "{answered} answered everyone in a short time, each time to {people}. "
		      "Further answers wait.",
	.brake_return = "This ends {when}, and what waited goes back to its authors unsent.",
	.brake_send = "This ends {when}, and what waited is sent.",
	.brake_note = "If you let them through, everything that waits is sent at once, and "
		      "answers are left alone for a while.",
	.brake_over_title = "Answers to everyone pass again",
	.brake_lifted = "Somebody let them through {when}.",
	.brake_over = "The time of this was over {when}.",
	.button_lift = "Let the answers through",

	.choose_note = "If you stop it, you can still change your mind for a while. "
		       "Once it is sent, it cannot be called back.",
	.choose_note_final = "Each of them is final: once it is stopped, it is not sent any more, "
			     "and once it is sent, it cannot be called back.",
	.button_undo_confirm = "Do not send it",
	.button_send_confirm = "Send it to {people}",
	.button_undo = "Undo: do not send it",
	.button_send_now = "Send it now to {people}",
	.button_restore = "Send it after all",

	.nobody_has_it = "{got} That was seen in the mail server's queue {when}.",
	.part_released = "But the mail server released a part of it without being asked, as was "
			 "noticed {when}: some of these people may have it.",
	.part_gone = "But a part of it is missing in the mail server's queue, as was noticed "
		     "{when}: it may have been sent or removed. If it matters, ask your "
		     "administrator.",

	.sending_title = "Your mail is to be sent",
	.sending_text = "The mail server is being asked to send it to {people}. This page looks "
			"again by itself.",
	.sending_slow = "It leaves for {people} as soon as the mail server can take it up. That "
			"takes longer than usual, but nothing is lost and there is nothing to do.",

	.sent_title = "Your mail was sent",
	.sent_you = "You sent it {when}.",
	.sent_admin = "An administrator of your mail server sent it {when}.",
	.sent_timer = "Its time was over, so it left by itself {when}.",
	.sent_owner = "Whoever looks after the list let the answers through, so it left {when}.",
	.sent_other = "It was sent {when}.",
	.sent_note = "The mail server has taken it up for {people}. There is nothing left to do.",

	.stopping_title = "Your mail is to be stopped",
	.stopping_text = "That is noted: it shall not be sent. The mail server's queue is being "
			 "looked at, whether it is still there. This page looks again by itself.",

	.undone_title = "Your mail was stopped",
	.undone_you = "You stopped it {when}.",
	.undone_admin = "An administrator of your mail server stopped it {when}.",
	.undone_other = "It was stopped {when}.",
	.undone_return = "It comes back to you {when}, so that nothing you wrote is lost.",
	.undone_delete = "It is deleted for good {when}.",
	.undone_note = "Until then you can still send it, to {people}. "
		       "Once it is sent, it cannot be called back.",
	.undone_wait = "You can change your mind about it in a moment. This page looks again "
		       "by itself.",
	.restore_open = "I changed my mind",
	.restore_sure = "Yes, send it to {people} after all",
	.unsure_title = "Please tick the box first",
	.unsure_text = "This mail was stopped. To send it after all, go back, tick the box that "
		       "stands above the button, and press the button then. Nothing was changed.",

	.returning_title = "Your mail is coming back to you",
	.returning_text = "It is not sent to anybody else. A letter with the whole mail attached "
			  "comes to your mailbox in a moment. If that takes longer, it is safe on "
			  "the mail server until then.",
	.returning_stuck =
	    "It is not sent to anybody else. No letter could bring it to your mailbox "
	    "so far, so it stays on hold on the mail server, and a letter is tried again "
	    "and again. If you need it now, ask your administrator.",
	.returned_title = "Your mail came back to you",
	.returned_text = "It was not sent, and was returned to you {when}.",
	.returned_note = "You find it in your mailbox, attached to a letter with all "
			 "that was in it, and can send it anew from there.",
	.returned_bounce = "You find it in your mailbox, attached to a report of the mail server.",
	.deleted_title = "Your mail was deleted",
	.deleted_text = "It was stopped, and then deleted {when}.",
	.lost_title = "Your mail is no longer here",
	.lost_text =
	    "The mail server, or somebody who looks after it, took this mail out "
	    "of the queue. That was noticed {when}; it may have been gone before. It may "
	    "have been sent, and then {people} may have it, or removed: if it matters, ask "
	    "your administrator.",
	.lost_released_title = "Your mail was released by the mail server",
	.lost_released = "The mail server, or somebody who looks after it, released this mail "
			 "without a word from you. That was noticed {when}; it may have left "
			 "before. {people} may have it.",

	.late_title = "Too late to stop it",
	.late_text = "When you pressed the button its sending had begun already, so it was not "
		     "stopped.",

	.unknown_title = "This link opens nothing",
	.unknown_text = "It may be incomplete, or too old: a link ends some time after its "
			"mail was sent or "
			"stopped.",
	.unknown_more = "If you followed it from a letter, open it again from there, "
			"whole. A mail that "
			"waits for you is safe in the meantime, and nothing was changed by "
			"coming here.",
	.busy_title = "Please try again in a moment",
	.busy_text = "The list of waiting mail cannot be read or changed just now. Your mail is "
		     "safe "
		     "on the mail server, and nothing was changed. Load this page again in half a "
		     "minute.",
	.bad_title = "That was not understood",
	.bad_text = "The form did not arrive as this page sends it, so nothing was "
		    "changed. Go back, "
		    "load the page again and press the button once more.",
	.foreign_title = "Please choose on the page itself",
	.foreign_text = "This request came from another web site, so nothing was changed. Open the "
			"link in your letter and choose there.",
	.method_title = "That cannot be done here",
	.method_text = "This page can be looked at, and its buttons pressed; nothing else. "
		       "Nothing was changed.",
};
