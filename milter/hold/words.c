/* words - what letters and pages tell of a hold, as the values that sentences are filled with */
#include "milter/hold/hold.h"
#include "milter/words/held.h"
#include "milter/words/reason.h"

/* What is known of the number of people, in the sentences' terms. */
static enum words_known
known_of(enum hold_people kind)
{
	switch (kind) {
	case HOLD_PEOPLE_EXACT:
		return WORDS_EXACTLY;
	case HOLD_PEOPLE_AT_LEAST:
		return WORDS_AT_LEAST;
	case HOLD_PEOPLE_UNKNOWN:
		break;
	}
	return WORDS_UNKNOWN;
}

/* How a queue entry left, in the sentences' terms. */
static enum words_left
left_of(enum hold_how how)
{
	switch (how) {
	case HOLD_HOW_STAYED:
		return WORDS_LEFT_NOTHING;
	case HOLD_HOW_GONE:
		return WORDS_LEFT_GONE;
	case HOLD_HOW_RELEASED:
		return WORDS_LEFT_RELEASED;
	case HOLD_HOW_UNKNOWN:
		break;
	}
	return WORDS_LEFT_UNSEEN;
}

struct words_held
hold_words(const struct hold_view *view)
{
	return (struct words_held){
		.subject = view->subject,
		.recipients = view->recipients,
		.recipient_count = view->recipient_count,
		.people = view->people > 0 ? view->people : view->recipient_count,
		.known = known_of(view->people_kind),
		.left = left_of(view->how),
		.left_at = view->left,
		.had_count = view->left_count,
		.had = view->left_to,
		.mail_count = view->mail_count,
		.answered = view->answered,
		.answered_by = view->answered_by,
	};
}

const char *
hold_reason_text(
    struct base_arena *arena, const struct words *words, const struct hold_reason *reason)
{
	struct words_reason values;

	if (!words_reason_read(arena, reason->values, &values))
		return reason->name;
	values.signal = reason->name;
	values.who = reason->who;
	values.other = reason->other;
	return words_reason_text(arena, words, &values);
}
