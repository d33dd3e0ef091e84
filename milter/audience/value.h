/*
 * NAME
 *	audience - how many people stand behind the recipients, as a plain value
 */
#ifndef OOPS_AUDIENCE_VALUE_H
#define OOPS_AUDIENCE_VALUE_H

#include <stdbool.h>
#include <stddef.h>

enum audience_kind {
	AUDIENCE_EXACT,    /* exactly `people` */
	AUDIENCE_AT_LEAST, /* some list could not be resolved whole */
	AUDIENCE_UNKNOWN,  /* nothing but such lists: each counts as one, which says nothing */
};

struct audience {
	enum audience_kind kind;
	unsigned long people;
	unsigned long lists; /* recipients that are known to be lists */
};

/* How many people a send to `recipients` distinct addresses is taken to go to. */
static inline size_t
audience_people(const struct audience *audience, size_t recipients)
{
	bool is_plain =
	    audience == NULL || (audience->lists == 0 && audience->kind == AUDIENCE_EXACT);

	return is_plain ? recipients : audience->people;
}

#endif
