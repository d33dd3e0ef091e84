/* rests - mailboxes whose letters wait behind everybody else's; see internal.h */
#include "milter/base/clock.h"
#include "milter/notice/internal.h"

#include <string.h>

bool
notice_rests_have(const struct notice_rests *rests, const char *mailbox)
{
	int64_t now = base_tick_ms();

	for (size_t i = 0; i < NOTICE_RESTS; i++)
		if (rests->items[i].until > now && strcmp(rests->items[i].mailbox, mailbox) == 0)
			return true;
	return false;
}

void
notice_rests_note(struct notice_rests *rests, const char *mailbox, int64_t took)
{
	struct notice_rest *rest = &rests->items[rests->next];
	size_t length = strlen(mailbox);

	if (took < NOTICE_SLOW_MS || length >= sizeof(rest->mailbox))
		return;
	rests->next = (rests->next + 1) % NOTICE_RESTS;
	memcpy(rest->mailbox, mailbox, length + 1);
	rest->until = base_tick_ms() + NOTICE_REST_MS;
}
