/* logins - the file that says whose a login is, in the text form of postmap(1); see identity.h */
#include "milter/base/arena.h"
#include "milter/base/file.h"
#include "milter/base/result.h"
#include "milter/identity/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "milter/mail/mail.h"

#define SPACES " \t\r\n,"

struct identity_logins {
	struct base_arena *arena;     /* of all that it points to, itself included */
	struct identity_login *items; /* by login, without case */
	size_t count;
};

/* What is read, and where in it we are. */
struct reading {
	const struct settings *settings;
	struct identity_logins *logins;
	struct identity_login *login; /* that the next addresses are of, or NULL */
	const char *path;
	int line;
	size_t capacity; /* for addresses of one login */
};

/* One address behind a login: the first one is the person's. */
static enum base_result
address_add(struct reading *reading, const char *text, const char **why_r)
{
	struct base_arena *arena = reading->logins->arena;
	struct identity_login *login = reading->login;
	const char *normal = "", *person = "", *why = "";
	enum base_result result = mail_path_parse(arena, text, &normal, &why);

	if (result == BASE_OK && (strchr(normal, '@') == NULL || text[0] == '<')) {
		why = "the form is name@domain";
		result = BASE_REFUSE;
	}
	if (result == BASE_OK) {
		const char *all = reading->settings->identity.recipient_delimiter;

		person = mail_address_strip_extension(arena, normal, mail_account_delimiters(all));
		normal = mail_address_strip_extension(arena, normal, all);
	}
	if (result == BASE_BROKEN || normal == NULL || person == NULL)
		return BASE_BROKEN;
	if (result != BASE_OK) {
		*why_r = base_why(
		    "%s:%d: no address: %.100s: %s", reading->path, reading->line, text, why);
		return result;
	}
	if (login->address_count == IDENTITY_MAX_ADDRESSES) {
		*why_r = base_why("%s:%d: more than %d addresses of one login", reading->path,
		    reading->line, IDENTITY_MAX_ADDRESSES);
		return BASE_REFUSE;
	}
	if (login->address_count == 0) {
		login->person = person;
		login->written = base_arena_strdup(arena, text);
	}
	login->addresses[login->address_count++] = normal;
	return BASE_OK;
}

/* A login, whose addresses follow. */
static enum base_result
login_add(struct reading *reading, const char *text)
{
	struct identity_logins *logins = reading->logins;
	struct identity_login *login = &logins->items[logins->count++];

	login->login = base_arena_strdup(logins->arena, text);
	login->addresses =
	    base_arena_array(logins->arena, IDENTITY_MAX_ADDRESSES, sizeof(*login->addresses));
	login->line = reading->line;
	reading->login = login;
	return login->login == NULL || login->addresses == NULL ? BASE_BROKEN : BASE_OK;
}

/* One line; what begins with a space goes on with the line before. */
static enum base_result
line_read(struct reading *reading, char *line, const char **why_r)
{
	bool is_more = line[0] == ' ' || line[0] == '\t';
	char *rest = NULL, *word = strtok_r(line, SPACES, &rest);
	enum base_result result = BASE_OK;

	if (word == NULL || word[0] == '#')
		return BASE_OK;
	if (!is_more) {
		result = login_add(reading, word);
		word = strtok_r(NULL, SPACES, &rest);
	}
	if (result == BASE_OK && (reading->login == NULL || word == NULL)) {
		*why_r = base_why(
		    "%s:%d: the form is: LOGIN ADDRESS [ADDRESS...]", reading->path, reading->line);
		return BASE_REFUSE;
	}
	for (; result == BASE_OK && word != NULL; word = strtok_r(NULL, SPACES, &rest))
		result = address_add(reading, word, why_r);
	return result;
}

static int
login_compare(const void *a, const void *b)
{
	const struct identity_login *one = a, *other = b;

	return strcasecmp(one->login, other->login);
}

/* Sorts them; each may be there once. */
static enum base_result
logins_sort(struct identity_logins *logins, const char *path, const char **why_r)
{
	qsort(logins->items, logins->count, sizeof(*logins->items), login_compare);
	for (size_t i = 1; i < logins->count; i++) {
		const struct identity_login *login = &logins->items[i];

		if (login_compare(login - 1, login) != 0)
			continue;
		*why_r = base_why("%s:%d: the login %.100s is on line %d already", path,
		    login->line > login[-1].line ? login->line : login[-1].line, login->login,
		    login->line > login[-1].line ? login[-1].line : login->line);
		return BASE_REFUSE;
	}
	return BASE_OK;
}

/* Reads the text, which is cut into pieces. */
static enum base_result
text_read(struct reading *reading, char *text, const char **why_r)
{
	struct identity_logins *logins = reading->logins;
	enum base_result result = BASE_OK;
	size_t lines = 1;
	char *line, *next;

	for (line = text; *line != '\0'; line++)
		lines += *line == '\n';
	logins->items = base_arena_array(logins->arena, lines, sizeof(*logins->items));
	if (logins->items == NULL)
		return BASE_BROKEN;
	for (line = text; result == BASE_OK && line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		reading->line++;
		result = line_read(reading, line, why_r);
	}
	return result == BASE_OK ? logins_sort(logins, reading->path, why_r) : result;
}

enum base_result
identity_logins_load(
    const struct settings *settings, struct identity_logins **logins_r, const char **why_r)
{
	const char *path = settings->identity.logins;
	struct reading reading = { .settings = settings, .path = path };
	struct base_arena *arena;
	enum base_result result = BASE_BROKEN;
	size_t length;
	char *text;

	*logins_r = NULL;
	if (path == NULL)
		return BASE_OK;
	*why_r = base_why("no memory for %s", path);
	arena = base_arena_new(64u * IDENTITY_MAX_LOGINS_FILE);
	if (arena != NULL)
		reading.logins = base_arena_alloc(arena, sizeof(*reading.logins));
	if (reading.logins != NULL) {
		reading.logins->arena = arena;
		result =
		    base_file_read(arena, path, IDENTITY_MAX_LOGINS_FILE, &text, &length, why_r);
	}
	if (result == BASE_OK && strlen(text) != length) {
		*why_r = base_why("%s: has a NUL byte: this is not a text file", path);
		result = BASE_REFUSE;
	}
	if (result == BASE_OK)
		result = text_read(&reading, text, why_r);
	if (result == BASE_OK)
		*logins_r = reading.logins;
	else
		base_arena_free(&arena);
	return result;
}

void
identity_logins_free(struct identity_logins **logins)
{
	struct base_arena *arena = *logins == NULL ? NULL : (*logins)->arena;

	*logins = NULL;
	if (arena != NULL)
		base_arena_free(&arena);
}

const struct identity_login *
identity_logins_find(const struct identity_logins *logins, const char *login)
{
	const struct identity_login key = { .login = login };

	if (logins == NULL || logins->count == 0)
		return NULL;
	return bsearch(&key, logins->items, logins->count, sizeof(*logins->items), login_compare);
}
