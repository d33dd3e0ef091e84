/*
 * renew - opens holds.db anew when its files are not those that it was opened with: a row in a log
 * that was removed, or in a file that another has taken the place of, is a promise that nobody
 * keeps
 */
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"

#define LOOK_MS 1000 /* between two looks before reads */

/* What happened, for the log and the auditor. */
static void
renew_report(const char *answer)
{
	static const char what[] = STORE_HOLDS_PATH " or its log was removed or replaced";

	base_log(BASE_LOG_ERROR, "%s while it is in use: %s", what, answer);
	audit_event(
	    AUDIT_ERROR, NULL, { "where", "store" }, { "what", what }, { "answer", answer });
}

/* Opens it anew, unless another thread has; renew_lock is held. */
static void
renew(struct hold *hold)
{
	const char *why = "";

	if (!store_is_lost(hold->store))
		return;
	if (store_reopen(&hold->store, 1, &why) == BASE_OK) {
		renew_report("opened anew");
		hold->is_away = false;
	} else if (!hold->is_away) {
		renew_report(why);
		hold->is_away = true;
	}
}

/* Looks at the files. */
static void
look(struct hold *hold)
{
	atomic_store(&hold->looked_at, base_tick_ms());
	if (!store_is_lost(hold->store))
		return;
	pthread_mutex_lock(&hold->renew_lock);
	renew(hold);
	pthread_mutex_unlock(&hold->renew_lock);
}

enum base_result
hold_begin(struct hold *hold, const char **why_r)
{
	look(hold);
	return store_begin(hold->store, why_r);
}

void
hold_refresh(struct hold *hold)
{
	if (base_tick_ms() - atomic_load(&hold->looked_at) >= LOOK_MS)
		look(hold);
}
