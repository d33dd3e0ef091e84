/*
 * NAME
 *	config/internal - what the files of this module share
 */
#ifndef OOPS_SITE_INTERNAL_H
#define OOPS_SITE_INTERNAL_H

#include <stdatomic.h>

#include "milter/base/key.h"
#include "milter/config/config.h"

/* A generation with the count of its users, and what it owns as its owner may free it. */
struct site_whole {
	struct config config; /* first: a struct site is one of these */
	atomic_uint users;
	struct settings *settings;
	struct base_key *key;
	struct judge_scorecard *scorecard;
};

#endif
