/* negotiate - what we agree on with the MTA; see internal.h */
#include "milter/session/internal.h"

#include <string.h>

/*
 * Each answer that the MTA waits for costs a round trip, so the only steps we answer are
 * the end of the header and the end of the message. NR_BODY and SMFIS_SKIP exclude each
 * other (a step that is not answered cannot be answered by "skip"); mail that passes sends
 * no body at all, and for the rest a stream without answers is the cheaper one.
 */
#define SILENT_STEPS                                                                               \
	(SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR |            \
	    SMFIP_NR_BODY)
#define UNUSED_STEPS (SMFIP_NOUNKNOWN | SMFIP_NODATA)
#define ACTIONS (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE)

/*
 * The only macros that are read, each at the step where it is known. {mail_addr} is there for
 * libmilter, which passes over an empty list and would keep the login of the mail before.
 */
static const struct {
	int step;
	const char *macros;
} symbols[] = {
	{ SMFIM_CONNECT, "v" },
	{ SMFIM_ENVFROM, "{auth_authen} {mail_addr}" },
	{ SMFIM_EOH, "i" },
	{ SMFIM_EOM, "i" },
};

/* Only SPF has a use for the client's name. */
static bool
asks_spf(const struct session_connection *connection)
{
	const struct config *config;
	bool is_asked;

	if (!session_enter())
		return false;
	config = config_acquire(connection->services->sites);
	is_asked = config->identity.spf != NULL;
	config_release(&config);
	session_leave();
	return is_asked;
}

sfsistat
session_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps,
    unsigned long unused2, unsigned long unused3, unsigned long *actions_r, unsigned long *steps_r,
    unsigned long *unused2_r, unsigned long *unused3_r)
{
	struct session_connection *connection = session_connection_of(context);
	char macros[64];
	size_t i;

	(void)unused2;
	(void)unused3;
	*actions_r = actions & ACTIONS;
	*steps_r = steps & (SILENT_STEPS | UNUSED_STEPS | SMFIP_HDR_LEADSPC);
	if (connection == NULL || !asks_spf(connection))
		*steps_r |= steps & SMFIP_NOHELO;
	*unused2_r = 0;
	*unused3_r = 0;
	if ((actions & SMFIF_SETSYMLIST) != 0) {
		*actions_r |= SMFIF_SETSYMLIST;
		for (i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
			/* Without the list the MTA sends its usual macros: ours are among them. */
			strncpy(macros, symbols[i].macros, sizeof(macros) - 1);
			macros[sizeof(macros) - 1] = '\0';
			(void)smfi_setsymlist(context, symbols[i].step, macros);
		}
	}
	if (connection != NULL) {
		connection->actions = *actions_r;
		connection->steps = *steps_r;
	}
	return SMFIS_CONTINUE;
}

sfsistat
session_silence(const struct session_connection *connection, unsigned long step)
{
	if (connection != NULL && (connection->steps & step) != 0)
		return SMFIS_NOREPLY;
	return SMFIS_CONTINUE;
}
