/*
 * NAME
 *	check/endpoint - a milter's socket, however its address is written
 *
 * WHAT IT DOES
 *	Reads the address of a socket as libmilter and sendmail.cf write it ("inet:PORT@HOST") or
 *	as Postfix does ("inet:HOST:PORT"), and tells whether two of them are one place: names are
 *	looked up, and a socket that listens on every address of this host is at each of them.
 *
 * OWNERSHIP
 *	Texts live in the arena, or are the one that was read.
 */
#ifndef OOPS_CHECK_ENDPOINT_H
#define OOPS_CHECK_ENDPOINT_H

#include <stdbool.h>

#include "milter/base/arena.h"

struct endpoint {
	const char *path; /* of a unix socket; NULL: inet */
	const char *host; /* without brackets */
	const char *port; /* a number, or a service's name */
	int family;       /* AF_UNSPEC, AF_INET or AF_INET6 */
};

/* "unix:PATH", "local:PATH", PATH, "inet:PORT@HOST", "inet6:PORT@HOST". False: no memory. */
bool endpoint_read(struct base_arena *arena, const char *text, struct endpoint *endpoint_r);
/* "unix:PATH", PATH, "inet:HOST:PORT", "inet:[HOST]:PORT", as postconf(5) has them. */
bool endpoint_read_postfix(struct base_arena *arena, const char *text, struct endpoint *endpoint_r);
/*
 * Do two paths lead to one unix socket, through links or whatever else is between? While nobody
 * listens there, its folder tells. A path that is not absolute is compared as text.
 */
bool endpoint_is_path(const char *ours, const char *other);
/* Does who connects to `other` reach what listens at `ours`? */
bool endpoint_reaches(const struct endpoint *ours, const struct endpoint *other);
/* For people: PATH, HOST:PORT or [HOST]:PORT; NULL: no memory. */
const char *endpoint_text(struct base_arena *arena, const struct endpoint *endpoint);

#endif
