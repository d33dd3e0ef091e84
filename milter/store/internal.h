/* internal - what the files of store know of a store */
#ifndef OOPS_STORE_INTERNAL_H
#define OOPS_STORE_INTERNAL_H

#include <pthread.h>

#include "milter/base/result.h"
#include "milter/store/engine.h"
#include "milter/store/store.h"
#include "milter/store/table.h"

#define STORE_STATEMENTS 256 /* a power of two, well above the number of them */

/* A statement that is prepared; `query` NULL: a free slot. */
struct store_prepared {
	const struct store_query *query;
	struct store_statement *statement;
};

struct store {
	const struct store_engine *engine;
	struct store_options options; /* the directory is a copy */
	enum store_kind kind;
	struct store_database *database; /* NULL: it could not be opened anew */
	bool in_transaction;
	pthread_mutex_t lock; /* recursive: whoever began a transaction calls on */
	struct store_prepared prepared[STORE_STATEMENTS];
};

/* Takes the lock; if it is open: otherwise BROKEN, and the lock is given back. */
enum base_result store_enter(struct store *store, const char **why_r);
/* Gives the lock back and hands the result on. */
enum base_result store_leave(struct store *store, enum base_result result);

#endif
