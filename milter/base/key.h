/*
 * NAME
 *	base/key - the site's secret key
 *
 * THREADS
 *	Any. A key is never changed once it is loaded.
 */
#ifndef OOPS_BASE_KEY_H
#define OOPS_BASE_KEY_H

#include "milter/base/result.h"

struct base_key;

#define BASE_MAC_SIZE 32

/* One file, several purposes: what is made for one purpose is worth nothing for another. */
enum base_key_use {
	BASE_KEY_MEMORY = 1,      /* hashes of addresses and message ids in the history */
	BASE_KEY_INJECT = 2,      /* the header that proves a mail is our own letter */
	BASE_KEY_SUBMISSION = 3,  /* which transactions are one submission */
	BASE_KEY_NOTE = 4,        /* which mails were imported */
	BASE_KEY_FORGET = 5,      /* what must not be written back, with a key of its own each */
	BASE_KEY_TAG = 6,         /* the tag header of a held mail: its hold id */
	BASE_KEY_TAG_MAILBOX = 7, /* the same: whom we ask about it */
};

/* Writes a fresh 256-bit key as hex, mode 0600. REFUSE if the file exists. */
enum base_result base_key_create(const char *path, const char **why_r);
/*
 * The file: the current key, 64 hexadecimal digits on a line; then earlier ones, the latest
 * first, each with the times (seconds since 1970) between which it was only kept, none until
 * later than the one above it:
 * "KEY replaced 1795485600 until 1803261600". REFUSE when others than owner and group may read
 * it, or a line is none of these; why_r names the line.
 */
enum base_result base_key_load(const char *path, struct base_key **key_r, const char **why_r);
/* A key from 32 given bytes, for tools that keep no site data. */
enum base_result base_key_from_bytes(const unsigned char bytes[32], struct base_key **key_r);
void base_key_free(struct base_key **key);

/*
 * Puts a fresh key in place of the current one, which stays valid until now + keeps (seconds);
 * so do earlier ones at most. Those whose time has ended go. The new file takes the old one's
 * place at once and whole, with its owner, group and mode. REFUSE, and nothing is changed: the
 * file is no key file, BASE_KEY_MAX - 1 earlier keys are still valid, or somebody else is at it.
 */
enum base_result base_key_rotate(const char *path, int64_t keeps, int64_t now, const char **why_r);

#define BASE_KEY_MAX 4  /* generations in a file: the current one and earlier ones */
#define BASE_KEY_EVER 0 /* a time at which all of a file were valid */

/*
 * The generations of a loaded key that are valid at `now`, the oldest first, the current one
 * last; how many. They belong to `key`.
 */
size_t base_key_valid(
    const struct base_key *key, int64_t now, const struct base_key *valid_r[BASE_KEY_MAX]);
/* When another key took this one's place, seconds since 1970; 0: it is the current one. */
int64_t base_key_replaced(const struct base_key *key);
/* BLAKE2b-256 keyed for `use`. */
void base_key_mac(const struct base_key *key, enum base_key_use use, const void *data,
    size_t length, unsigned char mac_r[BASE_MAC_SIZE]);
/* SipHash-2-4 keyed for `use`: 64 bits, for the compact sets of the history. */
uint64_t base_key_hash64(
    const struct base_key *key, enum base_key_use use, const void *data, size_t length);

#endif
