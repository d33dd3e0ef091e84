/*
 * NAME
 *	inject - the header field that proves a mail is our own, for a test that has the key
 *
 * SYNOPSIS
 *	inject KEY-FILE MESSAGE-ID RECIPIENT
 */
#include <stdio.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/notice/notice.h"

int
main(int argc, char **argv)
{
	struct base_arena *arena = base_arena_new(65536);
	struct base_key *key = NULL;
	const char *value, *why = "";

	if (argc != 4 || arena == NULL) {
		fprintf(stderr, "usage: inject KEY-FILE MESSAGE-ID RECIPIENT\n");
		return 64;
	}
	if (base_crypto_start(&why) != BASE_OK || base_key_load(argv[1], &key, &why) != BASE_OK ||
	    notice_inject_make(arena, key, argv[2], argv[3], base_now(), &value) != BASE_OK) {
		fprintf(stderr, "inject: %s\n", why);
		return 78;
	}
	puts(value);
	base_key_free(&key);
	base_arena_free(&arena);
	return 0;
}
