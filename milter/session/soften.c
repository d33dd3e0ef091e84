/* soften - less than the verdict asks for: people stop reading what comes too often */
#include "milter/session/internal.h"

#include <string.h>

/* One person's holds are at most one in so many of those that the site has a day. */
#define SITE_SHARES 5

double
session_soften_site(const struct settings_budget *budget, double sends)
{
	double most = (double)budget->site_thousand * sends / 1000;

	if (budget->site_thousand == 0)
		return 0;
	return most < (double)budget->site_day ? (double)budget->site_day : most;
}

size_t
session_soften_share(const struct settings_budget *budget, double site_sends)
{
	double share = session_soften_site(budget, site_sends) / SITE_SHARES;

	if (budget->sender_day > 0 && share > (double)budget->sender_day)
		share = (double)budget->sender_day;
	return share < 1 ? 1 : (size_t)share;
}

enum settings_action
session_soften_by(const struct settings_budget *budget, bool monitor,
    enum settings_action wanted, const struct hold_counts *counts, double site_sends,
    const char **by_r)
{
	*by_r = NULL;
	if (wanted <= SETTINGS_TAG)
		return wanted;
	if (monitor)
		*by_r = "monitor";
	else if (budget->sender_day > 0 && counts->of_sender >= budget->sender_day)
		*by_r = "sender";
	else if (budget->site_thousand > 0 &&
		 (double)counts->of_site >= session_soften_site(budget, site_sends))
		*by_r = "site";
	if (*by_r == NULL)
		return wanted;
	return wanted == SETTINGS_CONFIRM && !monitor ? SETTINGS_UNDO : SETTINGS_TAG;
}

/* How many sends the site has in a day. */
static double
site_sends(const struct session_mail *mail)
{
	return mail->recall.site == NULL ? 0
					 : memory_site_day(mail->recall.site, base_now());
}

/*
 * Tells early what will be left of the verdict; the last word is session_soften_limit()'s. A
 * store that cannot count does not soften: whether it can take the hold will be seen.
 */
void
session_soften(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	const struct settings_budget *budget = &mail->policy->budget;
	struct hold_counts counts = { 0 };
	const char *why;

	mail->wanted = mail->verdict.action;
	mail->softened_by = NULL;
	mail->site_sends = site_sends(mail);
	if (mail->wanted > SETTINGS_TAG && mail->identity.person[0] == '\0') {
		/* nobody is proved who could be asked: nothing is held, no letter, no budget */
		mail->verdict.action = SETTINGS_TAG;
		mail->softened_by = identity_proof_str(mail->identity.proof);
		return;
	}
	if (mail->wanted > SETTINGS_TAG && mail->part.mail > 0 && mail->part.has_passed &&
	    mail->part.held == SETTINGS_PASS) {
		/* the first of the series has gone to the same people: it is not torn apart */
		mail->verdict.action = SETTINGS_TAG;
		mail->softened_by = "series";
		return;
	}
	/* the other parts of an act that was held are the same interruption */
	if (mail->wanted <= SETTINGS_TAG || mail->part.held > SETTINGS_TAG)
		return;
	(void)hold_count(connection->rooms->hold, mail->identity.person, &counts, &why);
	mail->verdict.action =
	    session_soften_by(budget, connection->site->settings->monitor, mail->wanted,
		&counts, mail->site_sends, &mail->softened_by);
}

/* A hold_limit_fn: the same with counts that nobody else changes meanwhile. */
static struct hold_terms
limit(const void *context, const struct hold_counts *counts)
{
	const struct session_mail *mail = context;
	const char *by;
	enum settings_action action = session_soften_by(
	    &mail->policy->budget, false, mail->wanted, counts, mail->site_sends, &by);

	return (struct hold_terms){ .action = action == SETTINGS_CONFIRM ? HOLD_CONFIRM
					      : action == SETTINGS_UNDO  ? HOLD_UNDO
									 : 0,
		.window =
		    action == SETTINGS_UNDO ? mail->policy->window : mail->policy->expires,
		.limited_by = by == NULL ? "" : by };
}

void
session_soften_limit(const struct session_mail *mail, struct hold_request *request)
{
	if (mail->is_stormy)
		return;
	request->limit = limit;
	request->limit_context = mail;
	request->share = session_soften_share(&mail->policy->budget, mail->site_sends);
}

void
session_soften_take(struct session_mail *mail, const struct hold_terms *terms)
{
	static const enum settings_action actions[] = { [0] = SETTINGS_TAG,
		[HOLD_UNDO] = SETTINGS_UNDO,
		[HOLD_CONFIRM] = SETTINGS_CONFIRM };

	if (mail->is_stormy || terms->action > HOLD_CONFIRM)
		return;
	mail->verdict.action = actions[terms->action];
	mail->softened_by = terms->limited_by[0] == '\0' ? NULL : terms->limited_by;
}
