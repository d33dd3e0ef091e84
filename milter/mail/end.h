/*
 * NAME
 *	mail/end - what becomes of a held mail that nobody decided about in time
 */
#ifndef OOPS_MAIL_END_H
#define OOPS_MAIL_END_H

/* The numbers are the store's. */
enum mail_end {
	MAIL_END_RETURN, /* to its author */
	MAIL_END_SEND,
	MAIL_END_DELETE,
};

#endif
