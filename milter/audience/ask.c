/* ask - lists that programs know: a command prints a size, postmap looks into a table */
#include "milter/audience/internal.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/base/tool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "milter/mail/mail.h"

#define WHY_SIZE 300
#define MAX_SIZE 10000000UL    /* people, as for lists.members */
#define MAX_OUTPUT (16u << 20) /* bytes of what a program prints */
#define MAX_RUNS 20            /* of commands for one message */
#define RETRY_MS 60000         /* after a failure, unless answers live shorter */

/* A question under way; others who have the same one wait for its answer. */
struct flight {
	const char *key;
	struct flight *next;
};

struct audience_asker {
	const struct settings *settings;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t landed;
	struct flight *flights;
	bool *is_failing; /* by list of the settings: it is told once, until it works again */
	char why[WHY_SIZE];
	bool has_news;
};

/* One line of postmap's output. */
struct row {
	const char *key;
	const char *value;
};

/* --- what is to be asked -------------------------------------------------------------- */

static bool
is_asked(const struct settings_list *list)
{
	return list->command_count > 0 || list->table != NULL;
}

static bool
has_domain(const char *const *domains, size_t count, const char *domain)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(domains[i], domain) == 0)
			return true;
	return false;
}

/* Does this list of the settings have to be asked about the address? */
static bool
covers(const struct settings *settings, const struct settings_list *list, const char *address)
{
	const char *domain = mail_domain_of(address);

	if (!is_asked(list))
		return false;
	if (list->address != NULL)
		return strcmp(list->address, address) == 0;
	if (list->domain_count > 0)
		return has_domain(list->domains, list->domain_count, domain);
	return has_domain(
	    settings->identity.local_domains, settings->identity.local_domain_count, domain);
}

/* Which list of the settings has to be asked about an address; list_count: none. */
static size_t
source_of(const struct settings *settings, const char *address)
{
	size_t i = 0;

	while (i < settings->list_count && !covers(settings, &settings->lists[i], address))
		i++;
	return i;
}

/* Would a program take it for an option, or for two lines? */
static bool
is_plain(const char *address)
{
	if (address[0] == '\0' || strchr("-|/:@", address[0]) != NULL)
		return false;
	for (; *address != '\0'; address++)
		if ((unsigned char)*address <= ' ' || *address == 0x7f)
			return false;
	return true;
}

void
audience_asks_add(struct audience_asks *asks, const char *address)
{
	if (!is_plain(address) || source_of(asks->settings, address) == asks->settings->list_count)
		return;
	if (asks->names == NULL)
		asks->names =
		    base_arena_array(asks->arena, AUDIENCE_MAX_ASKED, sizeof(const char *));
	if (asks->names == NULL || asks->count >= AUDIENCE_MAX_ASKED) {
		asks->is_short = true;
		return;
	}
	asks->names[asks->count] = base_arena_strdup(asks->arena, address);
	if (asks->names[asks->count] == NULL)
		asks->is_short = true;
	else
		asks->count++;
}

/* --- one question at a time -------------------------------------------------------------- */

static bool
is_flying(const struct audience_asker *asker, const char *key)
{
	const struct flight *flight = asker->flights;

	while (flight != NULL && strcmp(flight->key, key) != 0)
		flight = flight->next;
	return flight != NULL;
}

/* True: it is ours to ask. False: somebody else has just asked, or the time is up. */
static bool
flight_begin(struct audience_asker *asker, struct flight *flight, int64_t deadline)
{
	struct timespec end = { .tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000 };
	bool is_first;

	pthread_mutex_lock(&asker->lock);
	is_first = !is_flying(asker, flight->key);
	while (is_flying(asker, flight->key) &&
	       pthread_cond_clockwait(&asker->landed, &asker->lock, CLOCK_MONOTONIC, &end) == 0)
		;
	if (is_first) {
		flight->next = asker->flights;
		asker->flights = flight;
	}
	pthread_mutex_unlock(&asker->lock);
	return is_first;
}

static void
flight_end(struct audience_asker *asker, const struct flight *flight)
{
	struct flight **place = &asker->flights;

	pthread_mutex_lock(&asker->lock);
	while (*place != flight)
		place = &(*place)->next;
	*place = flight->next;
	pthread_cond_broadcast(&asker->landed);
	pthread_mutex_unlock(&asker->lock);
}

/* Notes how it went; a failure is news when the time before went well. */
static void
note(struct audience_asker *asker, size_t source, const char *why)
{
	pthread_mutex_lock(&asker->lock);
	if (why == NULL) {
		asker->is_failing[source] = false;
	} else if (!asker->is_failing[source] && !asker->has_news) {
		/* while other news wait to be told, this waits for its next failure */
		snprintf(asker->why, sizeof(asker->why), "%s", why);
		asker->has_news = true;
		asker->is_failing[source] = true;
	}
	pthread_mutex_unlock(&asker->lock);
}

/* --- running ---------------------------------------------------------------------------- */

/* A base_output_fn that fills a buffer. */
static void
keep_output(void *context, const char *data, size_t length)
{
	base_buffer_append(context, data, length);
}

/* Reads a number of people, alone on its line. */
static bool
read_size(const char *text, unsigned long *people_r)
{
	char *end;

	text += strspn(text, " \t\r\n");
	if (*text < '0' || *text > '9')
		return false;
	*people_r = strtoul(text, &end, 10);
	return end[strspn(end, " \t\r\n")] == '\0' && *people_r <= MAX_SIZE;
}

/* Asks a command about one address; NULL, or why there is no answer. */
static const char *
run_command(const struct settings_list *list, struct base_arena *arena, int64_t deadline,
    struct audience_result *answer)
{
	const char **argv = base_arena_array(arena, list->command_count + 2, sizeof(*argv));
	struct base_buffer said;
	struct base_tool tool = { .path = list->command[0],
		.argv = argv,
		.output = keep_output,
		.context = &said,
		.deadline = deadline };
	const char *why = "out of memory";
	int status = 0;

	if (argv == NULL)
		return why;
	memcpy(argv, list->command, list->command_count * sizeof(*argv));
	argv[list->command_count] = answer->name;
	base_buffer_init(&said, 4096);
	if (base_tool_run(&tool, &status, &why) == BASE_OK) {
		why = NULL;
		if (status != 0)
			why =
			    base_why("%s %s ended with status %d", tool.path, answer->name, status);
		else if (said.failed || !read_size(base_buffer_text(&said), &answer->people))
			why = base_why("%s %s did not print a number of people alone", tool.path,
			    answer->name);
	}
	base_buffer_free(&said);
	return why;
}

static int
compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

/* Takes postmap's output apart: "key<tab>value". NULL, or what it complains about. */
static const char *
read_rows(struct base_arena *arena, char *text, struct row **rows_r, size_t *count_r)
{
	size_t capacity = 1, count = 0;
	struct row *rows;

	for (const char *c = text; *c != '\0'; c++)
		capacity += *c == '\n';
	rows = base_arena_array(arena, capacity, sizeof(*rows));
	if (rows == NULL)
		return "out of memory";
	for (char *save, *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *tab = strchr(line, '\t');

		if (strncmp(line, "postmap: fatal:", 15) == 0 ||
		    strncmp(line, "postmap: error:", 15) == 0)
			return base_why("%s", line);
		if (tab == NULL)
			continue;
		*tab = '\0';
		rows[count++] = (struct row){ .key = line, .value = tab + 1 };
	}
	qsort(rows, count, sizeof(*rows), compare_rows);
	*rows_r = rows;
	*count_r = count;
	return NULL;
}

static const char *
find_value(const struct row *rows, size_t count, const char *key)
{
	const struct row wanted = { .key = key };
	const struct row *row = bsearch(&wanted, rows, count, sizeof(*rows), compare_rows);

	return row == NULL ? NULL : row->value;
}

/* The keys that virtual(5) tries for an address, best first; NULL where there is none. */
static bool
keys_of(const struct settings *settings, struct base_arena *arena, const char *address,
    const char *keys_r[3])
{
	const char *domain = mail_domain_of(address);
	bool is_local = has_domain(
	    settings->identity.local_domains, settings->identity.local_domain_count, domain);

	keys_r[0] = address;
	keys_r[1] =
	    is_local ? base_arena_strndup(arena, address, (size_t)(domain - address) - 1) : NULL;
	keys_r[2] = domain - 1;
	return !is_local || keys_r[1] != NULL;
}

/* What the rows say of one address. */
static bool
find_members(const struct settings *settings, struct base_arena *arena, const struct row *rows,
    size_t count, struct audience_result *answer)
{
	const char *keys[3];

	if (!keys_of(settings, arena, answer->name, keys))
		return false;
	for (int i = 0; i < 3 && answer->members == NULL; i++)
		if (keys[i] != NULL)
			answer->members = find_value(rows, count, keys[i]);
	/* "@old @new" only renames a domain */
	if (answer->members != NULL && answer->members[0] == '@') {
		answer->members = base_arena_printf(
		    arena, "%.*s%s", (int)(keys[2] - answer->name), answer->name, answer->members);
		return answer->members != NULL;
	}
	return true;
}

/* Runs postmap with the keys on its standard input; NULL, or what went wrong. */
static const char *
run_postmap(const struct settings *settings, const struct settings_list *list, const char *keys,
    int64_t deadline, struct base_buffer *said)
{
	const char *argv[] = { "postmap", "-c", settings->mta.config_directory, "-q", "-",
		list->table, NULL };
	struct base_buffer path;
	struct base_tool tool = { .argv = argv,
		.input = keys,
		.output = keep_output,
		.context = said,
		.with_errors = true,
		.deadline = deadline };
	const char *why = "out of memory";
	enum base_result result = BASE_BROKEN;
	int status = 0;

	base_buffer_init(&path, 8192);
	if (base_buffer_printf(&path, "%s/postmap", settings->mta.command_directory)) {
		tool.path = path.data;
		result = base_tool_run(&tool, &status, &why);
	}
	base_buffer_free(&path);
	if (result != BASE_OK)
		return why;
	/* 1: none of the keys is there */
	if (status > 1)
		return base_why("postmap -q - %s ended with status %d", list->table, status);
	return said->failed ? base_why("postmap -q - %s says too much", list->table) : NULL;
}

/* Asks a table about all addresses at once; NULL, or why there is no answer. */
static const char *
ask_table(const struct settings *settings, const struct settings_list *list,
    struct base_arena *arena, int64_t deadline, struct audience_result *answers, size_t count)
{
	struct base_buffer input, said;
	struct row *rows = NULL;
	const char *why = NULL, *keys[3];
	size_t row_count = 0;
	char *text;

	base_buffer_init(&input, MAX_OUTPUT);
	base_buffer_init(&said, MAX_OUTPUT);
	for (size_t i = 0; i < count; i++) {
		bool is_kept = keys_of(settings, arena, answers[i].name, keys);

		for (int key = 0; key < 3 && is_kept; key++)
			if (keys[key] != NULL)
				base_buffer_printf(&input, "%s\n", keys[key]);
	}
	why = run_postmap(settings, list, base_buffer_text(&input), deadline, &said);
	if (why == NULL) {
		text = base_arena_strdup(arena, base_buffer_text(&said));
		why = text == NULL ? "out of memory" : read_rows(arena, text, &rows, &row_count);
	}
	for (size_t i = 0; why == NULL && i < count; i++)
		if (!find_members(settings, arena, rows, row_count, &answers[i]))
			why = "out of memory";
	base_buffer_free(&input);
	base_buffer_free(&said);
	return why;
}

/* --- all questions of one message ---------------------------------------------------------- */

/* Asks one source about some addresses, unless somebody else is at it. */
static void
ask(struct audience_asker *asker, struct audience_asks *asks, size_t source, int64_t deadline,
    struct audience_result *answers, size_t count)
{
	const struct settings_list *list = &asker->settings->lists[source];
	struct flight flight = { .key = list->table != NULL ? list->table : answers[0].name };
	const char *why;
	int64_t life;

	if (!flight_begin(asker, &flight, deadline))
		return;
	why = list->table != NULL
		  ? ask_table(asker->settings, list, asks->arena, deadline, answers, count)
		  : run_command(list, asks->arena, deadline, &answers[0]);
	note(asker, source, why);
	life = list->cache * 1000;
	if (why != NULL && life > RETRY_MS)
		life = RETRY_MS;
	for (size_t i = 0; i < count; i++) {
		answers[i].has_failed = why != NULL;
		answers[i].expires_ms = base_tick_ms() + life;
	}
	asks->store(asks->context, answers, count);
	flight_end(asker, &flight);
}

bool
audience_ask(struct audience_asker *asker, struct audience_asks *asks)
{
	const struct settings *settings = asker->settings;
	struct audience_result *answers =
	    base_arena_array(asks->arena, asks->count + 1, sizeof(*answers));
	bool is_any = false;

	for (size_t source = 0; answers != NULL && source < settings->list_count; source++) {
		const struct settings_list *list = &settings->lists[source];
		int64_t deadline = asks->began_ms + list->timeout * 1000;
		size_t count = 0;

		if (!is_asked(list))
			continue;
		for (size_t i = 0; i < asks->count; i++)
			if (source_of(settings, asks->names[i]) == source)
				answers[count++] =
				    (struct audience_result){ .name = asks->names[i] };
		if (list->table != NULL && count > 0 && base_tick_ms() < deadline) {
			ask(asker, asks, source, deadline, answers, count);
			is_any = true;
		}
		for (size_t i = 0; list->table == NULL && i < count && asks->runs < MAX_RUNS &&
				   base_tick_ms() < deadline;
		     i++) {
			asks->runs++;
			ask(asker, asks, source, deadline, &answers[i], 1);
			is_any = true;
		}
	}
	return is_any;
}

bool
audience_asker_changes(struct audience_asker *asker, const char **why_r)
{
	bool has_news;

	pthread_mutex_lock(&asker->lock);
	has_news = asker->has_news;
	if (has_news)
		*why_r = base_why("%s", asker->why);
	asker->has_news = false;
	pthread_mutex_unlock(&asker->lock);
	return has_news;
}

bool
audience_asker_new(const struct settings *settings, struct audience_asker **asker_r)
{
	struct audience_asker *asker;
	bool is_needed = false;

	*asker_r = NULL;
	for (size_t i = 0; i < settings->list_count; i++)
		is_needed = is_needed || is_asked(&settings->lists[i]);
	if (!is_needed)
		return true;
	asker = calloc(1, sizeof(*asker));
	if (asker == NULL ||
	    (asker->is_failing = calloc(settings->list_count, sizeof(bool))) == NULL) {
		free(asker);
		return false;
	}
	asker->settings = settings;
	pthread_mutex_init(&asker->lock, NULL);
	pthread_cond_init(&asker->landed, NULL);
	*asker_r = asker;
	return true;
}

void
audience_asker_free(struct audience_asker **asker)
{
	if (*asker == NULL)
		return;
	pthread_cond_destroy(&(*asker)->landed);
	pthread_mutex_destroy(&(*asker)->lock);
	free((*asker)->is_failing);
	free(*asker);
	*asker = NULL;
}
