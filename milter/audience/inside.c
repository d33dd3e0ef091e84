/* inside - which domains are the site's own organisation; see audience.h */
#include <libpsl.h>
#include <stdlib.h>
#include <string.h>

#include "milter/audience/internal.h"

/* The longest part of a domain that one organisation registers; itself if nobody can tell. */
static const char *
organisation_of(const psl_ctx_t *list, const char *domain)
{
	const char *registered = list == NULL ? NULL : psl_registrable_domain(list, domain);

	return registered == NULL ? domain : registered;
}

bool
audience_inside_make(const struct settings *settings, struct mail_domains *inside_r)
{
	size_t count = settings->identity.local_domain_count;
	psl_ctx_t *list = psl_latest(NULL);

	inside_r->count = 0;
	inside_r->items = calloc(count + 1, sizeof(*inside_r->items));
	for (size_t i = 0; inside_r->items != NULL && i < count; i++)
		inside_r->items[inside_r->count++] =
		    organisation_of(list, settings->identity.local_domains[i]);
	psl_free(list);
	return inside_r->items != NULL;
}
