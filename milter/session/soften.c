/* soften - less than the verdict asks for: people stop reading what comes too often */
#include "milter/session/internal.h"

#define DAY_SECONDS 86400

/* Is the budget of the site spent? Few sends leave a little of it all the same. */
static bool
is_site_spent(const struct settings_budget *budget, size_t holds, double sends)
{
	double most = (double)budget->site_thousand * sends / 1000;

	if (budget->site_thousand == 0)
		return false;
	if (most < (double)budget->site_day)
		most = (double)budget->site_day;
	return (double)holds >= most;
}

enum settings_action
session_soften_by(const struct settings_budget *budget, bool monitor,
    enum settings_action wanted, size_t sender_holds, size_t site_holds, double site_sends,
    const char **by_r)
{
	*by_r = NULL;
	if (wanted <= SETTINGS_TAG)
		return wanted;
	if (monitor)
		*by_r = "monitor";
	else if (budget->sender_day > 0 && sender_holds >= budget->sender_day)
		*by_r = "sender";
	else if (is_site_spent(budget, site_holds, site_sends))
		*by_r = "site";
	if (*by_r == NULL)
		return wanted;
	return wanted == SETTINGS_CONFIRM && !monitor ? SETTINGS_UNDO : SETTINGS_TAG;
}

/*
 * Holds are counted when they are durable, so the sessions that are open at this moment may go
 * beyond the budget by one hold each. A store that cannot count does not soften: whether it can
 * take the hold will be seen.
 */
void
session_soften(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	struct hold *hold = connection->rooms->hold;
	int64_t now = base_now();
	size_t of_sender = 0, of_site = 0;
	double sends =
	    mail->recall.site == NULL ? 0 : memory_site_day(mail->recall.site, now);
	const char *why;

	mail->wanted = mail->verdict.action;
	mail->softened_by = NULL;
	if (mail->wanted > SETTINGS_TAG && mail->identity.person[0] == '\0') {
		/* nobody is proved who could be asked: nothing is held, no letter, no budget */
		mail->verdict.action = SETTINGS_TAG;
		mail->softened_by = identity_proof_str(mail->identity.proof);
		return;
	}
	/* the other parts of an act that was held are the same interruption */
	if (mail->wanted <= SETTINGS_TAG || mail->part.held > SETTINGS_TAG)
		return;
	if (hold_count(hold, mail->identity.person, now - DAY_SECONDS, &of_sender, &why) !=
		BASE_OK ||
	    hold_count(hold, NULL, now - DAY_SECONDS, &of_site, &why) != BASE_OK)
		of_sender = of_site = 0;
	mail->verdict.action =
	    session_soften_by(&mail->policy->budget, connection->site->settings->monitor,
		mail->wanted, of_sender, of_site, sends, &mail->softened_by);
}
