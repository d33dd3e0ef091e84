/*
 * NAME
 *	audience - how many people stand behind the recipients, as a plain value
 */
#ifndef OOPS_AUDIENCE_VALUE_H
#define OOPS_AUDIENCE_VALUE_H

enum audience_kind {
	AUDIENCE_EXACT,	   /* exactly `people` */
	AUDIENCE_AT_LEAST, /* some list could not be resolved whole */
};

struct audience {
	enum audience_kind kind;
	unsigned long people;
	unsigned long lists; /* recipients that are known to be lists */
};

#endif
