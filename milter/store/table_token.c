/* table_token - the table of the links and replies that open a hold or a storm, by their hashes */
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/queue_entry.h"

#include <stddef.h>

#include "milter/store/table.h"

struct row {
	struct store_blob hash;
	const char *hold_id; /* or a storm's */
	int64_t expires;
};

#define AT(member) offsetof(struct row, member)

static const struct store_column columns[] = {
	{ "hash", STORE_BLOB, AT(hash), 1 },
	{ "hold_id", STORE_TEXT, AT(hold_id), 1 },
	{ "expires", STORE_INT64, AT(expires), 1 },
};

const struct store_table store_table_token = { "token", "PRIMARY KEY (hash)", STORE_BY_KEY, columns,
	sizeof(columns) / sizeof(*columns), sizeof(struct row) };

static const struct store_query insert = { &store_table_token,
	"INSERT INTO token ({columns}) VALUES ({values})" };

enum base_result
store_token_insert(struct store *store, const unsigned char hash[BASE_HASH_SIZE],
    const char *hold_id, int64_t expires, const char **why_r)
{
	const struct row row = { { hash, BASE_HASH_SIZE }, hold_id, expires };

	return store_run_row(store, &insert, &row, STORE_NO_VALUES, why_r);
}
