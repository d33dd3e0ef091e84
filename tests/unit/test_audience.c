/*
 * audience: how many people stand behind the recipients.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/audience/audience.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static char folder[64], aliases[80], team[80], virtual[80], people[80], lists_folder[80];
static const char *domains[] = { "example.com", "example.org" };
static struct settings_list lists[] = {
	{ .aliases = aliases },
	{ .address = "all-staff@example.com", .members = 2100 },
	{ .address = "board@elsewhere.example", .members = 7 },
};
static struct settings site = {
	.identity = { .local_domains = domains, .local_domain_count = 2 },
	.lists = lists,
	.list_count = COUNT(lists),
};

/* Writes a whole file, as an editor does: a new one in the place of the old. */
static void
write_file(const char *path, const char *text)
{
	char fresh[100];
	FILE *file;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	file = fopen(fresh, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(rename(fresh, path), 0);
}

static void
setup(void)
{
	strcpy(folder, "/tmp/oops-audience-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(aliases, sizeof(aliases), "%s/aliases", folder);
	snprintf(team, sizeof(team), "%s/team", folder);
	snprintf(virtual, sizeof(virtual), "%s/virtual", folder);
	snprintf(people, sizeof(people), "%s/people", folder);
	snprintf(lists_folder, sizeof(lists_folder), "%s/lists", folder);
}

/* A file in the folder of lists. */
static const char *
list_path(const char *name)
{
	static char path[120];

	snprintf(path, sizeof(path), "%s/%s", lists_folder, name);
	return path;
}

/* Takes the folder of lists away, if it is there. */
static void
clear_lists(void)
{
	static const char *const names[] = { "choir", "band@lists.example.com", ".hidden", "choir~",
		"late", "some", "more" };

	for (int i = 0; i < COUNT(names); i++)
		unlink(list_path(names[i]));
	rmdir(lists_folder);
}

static void
teardown(void)
{
	unlink(aliases);
	unlink(team);
	unlink(virtual);
	unlink(people);
	clear_lists();
	ck_assert_int_eq(rmdir(folder), 0);
}

/* The directory of what the files say now. */
static struct audience_directory *
open_directory(void)
{
	struct audience_directory *directory = NULL;
	const char *why = "";
	enum base_result result = audience_directory_new(&site, &directory, &why);

	ck_assert_msg(result == BASE_OK, "%s", why);
	return directory;
}

/* "people kind lists" for recipients between spaces; '_' is a space within one. */
static const char *
count_of(struct audience_directory *directory, const char *sender, const char *recipients)
{
	static char answer[64];
	char text[2000] = "";
	const char *items[100];
	struct mail_transaction transaction = { .recipients = { .items = items } };
	struct audience audience;

	ck_assert_uint_lt(strlen(recipients), sizeof(text));
	strcpy(text, recipients);
	for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
		items[transaction.recipients.count++] = word;
	for (size_t i = 0; i < sizeof(text); i++)
		if (text[i] == '_')
			text[i] = ' ';
	transaction.recipients.seen = transaction.recipients.count;
	audience_count(directory, &transaction, sender, &audience);
	snprintf(answer, sizeof(answer), "%lu %s %lu", audience.people,
	    audience.kind == AUDIENCE_EXACT     ? "exact"
	    : audience.kind == AUDIENCE_UNKNOWN ? "unknown"
						: "at-least",
	    audience.lists);
	return answer;
}

/* The same of mail from somebody who is nowhere among them. */
static const char *
count(struct audience_directory *directory, const char *recipients)
{
	return count_of(directory, "", recipients);
}

#define PATIENCE_MS 30000

/* Waits until the files' thread has seen what they say now. */
static void
becomes(struct audience_directory *directory, const char *recipients, const char *wanted)
{
	int64_t until = base_tick_ms() + PATIENCE_MS;

	while (strcmp(count(directory, recipients), wanted) != 0 && base_tick_ms() < until)
		base_sleep_ms(20);
	ck_assert_str_eq(count(directory, recipients), wanted);
}

/* Waits until there is something to tell. */
static enum base_result
reported(struct audience_directory *directory, const char **why_r)
{
	int64_t until = base_tick_ms() + PATIENCE_MS;
	enum base_result result;

	while ((result = audience_failure(directory, why_r)) == BASE_NONE && base_tick_ms() < until)
		base_sleep_ms(20);
	return result;
}

static const char sample[] =
    "# people\n"
    "all: jane, bob,\n"
    "   # a comment within\n"
    "\n"
    "\tann@example.com, Carl@Partner.Example\n"
    "Sales: bob, Dan <dan@example.org>, \"Eve, the boss\" <eve@example.com>\n"
    "everybody: all, sales\n"
    "jane: jane, jane.private@home.example\n"
    "fay: \\fay\n"
    "guy: \\bob\n"
    "ida: \\sales\n"
    "\"two words\": bob (a (nested, one) comment), ann\n"
    "a: b\n"
    "b: a\n"
    "c: a, bob, c\n"
    "postmaster: root\n"
    "root: bob\n"
    "owner-all: jane.owner\n"
    "robot: \"|/usr/bin/robot -a, -b\"\n"
    "archive: /var/mail/archive, bob\n"
    "team: :include:%s\n"
    "lost: bob, :include:/nonexistent/team\n"
    "relative: :include:team\n"
    "staff2: all-staff@example.com, visitor@example.net\n"
    "empty:\n"
    "twice: bob\n"
    "twice: ann, bob,,\n"
    "bob:bob\n";

static const struct {
	const char *recipients;
	const char *answer;
} cases[] = {
	/* people */
	{ "", "0 exact 0" },
	{ "x@example.com", "1 exact 0" },
	{ "x@example.com y@example.net z", "3 exact 0" },
	{ "bob@example.com", "1 exact 0" },
	{ "ann@example.com ann@example.org", "1 exact 0" },
	{ "x@example.com x@example.org", "2 exact 0" },
	/* lists */
	{ "all@example.com", "5 exact 1" },
	{ "all@example.org", "5 exact 1" },
	{ "all", "5 exact 1" },
	{ "all@example.net", "1 exact 0" },
	{ "sales@example.com", "3 exact 1" },
	{ "all@example.com all@example.org", "5 exact 2" },
	/* each person once */
	{ "all@example.com bob@example.com carl@partner.example", "5 exact 1" },
	{ "all@example.com sales@example.com", "7 exact 2" },
	{ "everybody@example.com", "7 exact 1" },
	{ "everybody@example.com x@example.com sales@example.com", "8 exact 2" },
	/* one name for another is no list */
	{ "postmaster@example.com", "1 exact 0" },
	{ "postmaster@example.com root@example.com bob@example.com", "1 exact 0" },
	{ "owner-all@example.com", "1 exact 0" },
	{ "fay@example.com", "1 exact 0" },
	{ "guy@example.com bob@example.com", "1 exact 0" },
	{ "ida@example.com", "1 exact 0" },
	/* spelling */
	{ "jane@example.com", "2 exact 1" },
	{ "twice@example.com", "2 exact 1" },
	{ "two_words@example.com", "2 exact 1" },
	/* loops and nothing */
	{ "a@example.com", "1 unknown 0" },
	{ "b@example.com x@example.com", "1 exact 0" },
	{ "c@example.com", "2 exact 1" },
	{ "empty@example.com", "1 unknown 0" },
	/* what cannot be resolved whole */
	{ "robot@example.com", "1 unknown 1" },
	{ "robot@example.com bob@example.com", "2 at-least 1" },
	{ "archive@example.com", "2 exact 1" },
	{ "lost@example.com", "1 at-least 1" },
	{ "relative@example.com bob@example.com", "1 at-least 1" },
	/* included */
	{ "team@example.com", "4 exact 1" },
	/* fixed sizes */
	{ "all-staff@example.com", "2100 exact 1" },
	{ "all-staff@example.org", "1 exact 0" },
	/* who else gets it may be on the list: never the sum */
	{ "all-staff@example.com board@elsewhere.example x@example.com", "2100 at-least 2" },
	{ "board@elsewhere.example all-staff@example.com", "2100 at-least 2" },
	{ "staff2@example.com all-staff@example.com", "2100 at-least 2" },
	{ "all-staff@example.com all-staff@example.com", "2100 exact 2" },
	{ "board@elsewhere.example a@x.example b@x.example c@x.example d@x.example"
	  " e@x.example f@x.example g@x.example h@x.example",
	    "8 at-least 1" },
};

START_TEST(test_count)
{
	struct audience_directory *directory;
	char text[2000];

	snprintf(text, sizeof(text), sample, team);
	write_file(aliases, text);
	write_file(team, "# the team\nbob, ann\n\nhal,\n  ida@example.net\n");
	directory = open_directory();
	ck_assert_str_eq(count(directory, cases[_i].recipients), cases[_i].answer);
	audience_directory_free(&directory);
	ck_assert_ptr_null(directory);
}
END_TEST

static const struct {
	const char *text;
	const char *why; /* after the path */
} malformed[] = {
	{ " all: bob\n", ":1: begins with a space, but there is no line to continue" },
	{ "\n\nall bob\n", ":3: not of the form \"name: member, member\"" },
	{ "a: b\n:bob\n", ":2: not of the form \"name: member, member\"" },
	{ "a: b\n\"c: d\n", ":2: not of the form \"name: member, member\"" },
	{ "a: b\nc: d,\n \"e\n", ":2: a quote is not closed" },
	{ "a: b (c\n", ":1: a comment is not closed" },
};

START_TEST(test_malformed)
{
	struct audience_directory *directory = NULL;
	char expected[200];
	const char *why = "";

	write_file(aliases, malformed[_i].text);
	ck_assert_int_eq(audience_directory_new(&site, &directory, &why), BASE_REFUSE);
	ck_assert_ptr_null(directory);
	snprintf(expected, sizeof(expected), "%s%s", aliases, malformed[_i].why);
	ck_assert_str_eq(why, expected);
}
END_TEST

/* The other sources, side by side with the aliases. */
static struct settings_list more_lists[] = {
	{ .aliases = aliases },
	{ .virtual = virtual },
	{ .address = "people@example.com", .file = people },
	{ .folder = lists_folder, .domains = &domains[1], .domain_count = 1 },
	{ .address = "all@example.com", .owner = "olga@example.com" },
};

static const struct settings more_site = {
	.identity = { .local_domains = domains, .local_domain_count = 2 },
	.lists = more_lists,
	.list_count = COUNT(more_lists),
};

static void
write_sources(void)
{
	write_file(aliases, "all: jane, bob, ann, tim\nstaff: all, virt@example.com\n");
	write_file(virtual,
	    "# postfix\nvirt@example.com  bob@example.com,\n   ann@example.com, "
	    "new@else.example\n"
	    "self@example.com self@example.com, bob\nloop@example.com pool@example.com\n"
	    "pool@example.com loop@example.com\n@whole.example bob, ann, eve\n"
	    "@moved.example @example.com\nVirtAll@example.com all\n");
	write_file(people,
	    "# who\nbob@example.com\n\n  Ann Lee <ann@example.com>\nbob@example.com\n"
	    "zoe@else.example\n");
	ck_assert_int_eq(mkdir(lists_folder, 0700), 0);
	write_file(list_path("choir"), "jane\nbob\n");
	write_file(list_path("band@lists.example.com"), "bob\nx@else.example\ny@else.example\n");
	write_file(list_path(".hidden"), "not a member\n");
	write_file(list_path("choir~"), "not a member\n");
	write_file(list_path("some"), "jane\n ... \nbob\n");
	write_file(list_path("more"), "...\n");
}

static const struct {
	const char *recipients;
	const char *answer;
} more_cases[] = {
	{ "virt@example.com", "3 exact 1" },
	{ "virt@example.org", "1 exact 0" },
	{ "virtall@example.com", "4 exact 1" },
	{ "staff@example.com", "5 exact 1" },
	{ "self@example.com bob@example.com", "2 exact 1" },
	{ "loop@example.com", "1 unknown 0" },
	{ "anybody@whole.example", "3 exact 1" },
	{ "anybody@moved.example", "1 exact 0" },
	{ "people@example.com", "3 exact 1" },
	{ "people@example.com bob@example.com all@example.com zoe@else.example", "5 exact 2" },
	{ "choir@example.org", "2 exact 1" },
	{ "some@example.org", "2 at-least 1" },
	{ "some@example.org choir@example.org ida@x.example", "3 at-least 2" },
	{ "more@example.org", "1 unknown 1" },
	{ "choir@example.com", "1 exact 0" },
	{ "band@lists.example.com choir@example.org", "4 exact 2" },
	{ "hidden@example.org", "1 exact 0" },
};

START_TEST(test_sources)
{
	struct audience_directory *directory;
	const char *why = "";

	write_sources();
	ck_assert_msg(audience_directory_new(&more_site, &directory, &why) == BASE_OK, "%s", why);
	ck_assert_str_eq(count(directory, more_cases[_i].recipients), more_cases[_i].answer);
	ck_assert_str_eq(audience_owner(directory, "all@example.com"), "olga@example.com");
	ck_assert_ptr_null(audience_owner(directory, "people@example.com"));
	audience_directory_free(&directory);
}
END_TEST

/* What is wrong in which file. */
static const struct {
	const char *path;
	const char *text;
	const char *why;
} more_malformed[] = {
	{ virtual, "a@example.com b\nalone@example.com\n",
	    ":2: not of the form \"address member, member\"" },
	{ virtual, " a@example.com b\n",
	    ":1: begins with a space, but there is no line to continue" },
	{ virtual, "a b, \"c\n", ":1: a quote is not closed" },
	{ people, "bob\n\na@example.com, b@example.com\n",
	    ":3: not an address: one a line is needed" },
	{ people, "|/bin/false\n", ":1: not an address: one a line is needed" },
	{ people, ":include:/etc/passwd\n", ":1: not an address: one a line is needed" },
	{ people, "bob\n# x\n  jane doe\n", ":3: not an address: one a line is needed" },
};

START_TEST(test_more_malformed)
{
	struct audience_directory *directory = NULL;
	char expected[200];
	const char *why = "";

	write_sources();
	write_file(more_malformed[_i].path, more_malformed[_i].text);
	ck_assert_int_eq(audience_directory_new(&more_site, &directory, &why), BASE_REFUSE);
	ck_assert_ptr_null(directory);
	snprintf(
	    expected, sizeof(expected), "%s%s", more_malformed[_i].path, more_malformed[_i].why);
	ck_assert_str_eq(why, expected);
}
END_TEST

/* Lists that come and go in a folder are seen; a broken one changes nothing. */
START_TEST(test_folder_changes)
{
	struct audience_directory *directory;
	const char *why = "";

	write_sources();
	ck_assert_msg(audience_directory_new(&more_site, &directory, &why) == BASE_OK, "%s", why);
	write_file(list_path("late"), "a\nb\nc\n");
	becomes(directory, "late@example.org", "3 exact 1");
	write_file(list_path("late"), "a\nb c\n");
	becomes(directory, "late@example.org", "3 exact 1");
	ck_assert_int_eq(reported(directory, &why), BASE_REFUSE);
	ck_assert_ptr_nonnull(strstr(why, "lists/late:2: not an address"));
	unlink(list_path("late"));
	becomes(directory, "late@example.org", "1 exact 0");
	audience_directory_free(&directory);
}
END_TEST

/* A file that is not there is the admin's mistake at the start. */
START_TEST(test_missing)
{
	struct audience_directory *directory = NULL;
	const char *why = "";

	ck_assert_int_eq(audience_directory_new(&site, &directory, &why), BASE_BROKEN);
	ck_assert_ptr_null(directory);
	ck_assert_ptr_nonnull(strstr(why, aliases));
}
END_TEST

/* A file of which nobody knows when it ends changes nothing, and keeps nobody waiting. */
START_TEST(test_fifo)
{
	struct audience_directory *directory, *other = NULL;
	const char *why = "";

	write_file(aliases, "all: bob, ann\n");
	directory = open_directory();
	ck_assert_str_eq(count(directory, "all@example.com"), "2 exact 1");
	unlink(aliases);
	ck_assert_int_eq(mkfifo(aliases, 0600), 0);
	ck_assert_int_eq(reported(directory, &why), BASE_BROKEN);
	ck_assert_msg(strstr(why, "aliases is not a regular file") != NULL, "%s", why);
	ck_assert_str_eq(count(directory, "all@example.com"), "2 exact 1");
	ck_assert_int_eq(audience_directory_new(&site, &other, &why), BASE_BROKEN);
	ck_assert_msg(strstr(why, "aliases is not a regular file") != NULL, "%s", why);
	unlink(aliases);
	write_file(aliases, "all: bob, ann, eve\n");
	becomes(directory, "all@example.com", "3 exact 1");
	audience_directory_free(&directory);
}
END_TEST

static const char *_Atomic silent; /* a path on a dead mount; NULL: none */

/* What the library calls; on a dead mount it does not come back. */
int
stat(const char *restrict path, struct stat *restrict stat_r)
{
	const char *dead;

	while ((dead = silent) != NULL && strcmp(path, dead) == 0)
		base_sleep_ms(10);
	return fstatat(AT_FDCWD, path, stat_r, 0);
}

/* A file that does not answer leaves what is known in use, and its thread behind. */
START_TEST(test_dead_mount)
{
	struct audience_directory *directory, *other = NULL;
	const char *why = "";

	write_file(aliases, "all: bob, ann\n");
	directory = open_directory();
	silent = aliases;
	ck_assert_str_eq(count(directory, "all@example.com"), "2 exact 1");
	ck_assert_int_eq(reported(directory, &why), BASE_BROKEN);
	ck_assert_msg(strstr(why, "aliases does not answer within") != NULL, "%s", why);
	base_sleep_ms(2500);
	ck_assert_int_eq(audience_failure(directory, &why), BASE_NONE);
	ck_assert_str_eq(count(directory, "all@example.com"), "2 exact 1");
	ck_assert_int_eq(audience_directory_new(&site, &other, &why), BASE_BROKEN);
	ck_assert_msg(strstr(why, "aliases does not answer within") != NULL, "%s", why);
	write_file(aliases, "all: bob, ann, eve\n");
	silent = NULL;
	becomes(directory, "all@example.com", "3 exact 1");
	silent = aliases;
	base_sleep_ms(1500);
	audience_directory_free(&directory); /* while it looks */
	silent = NULL;
}
END_TEST

/* Changes are seen, broken files are not believed, and the trouble is told once. */
START_TEST(test_changes)
{
	struct audience_directory *directory;
	const char *why = "";
	char text[200];
	FILE *file;

	write_file(aliases, "all: bob, ann\n");
	directory = open_directory();
	ck_assert_str_eq(count(directory, "all@example.com"), "2 exact 1");
	write_file(aliases, "all: bob, ann,eve\n");
	becomes(directory, "all@example.com", "3 exact 1");
	ck_assert_int_eq(audience_failure(directory, &why), BASE_NONE);

	/* in place and of the same size */
	file = fopen(aliases, "r+");
	ck_assert_ptr_nonnull(file);
	fputs("all: bob, a,b,eve\n", file);
	ck_assert_int_eq(fclose(file), 0);
	becomes(directory, "all@example.com", "4 exact 1");
	write_file(aliases, "all: bob, ann, eve\n");
	becomes(directory, "all@example.com", "3 exact 1");

	write_file(aliases, "all: bob, \"ann\nall: x\n");
	becomes(directory, "all@example.com", "3 exact 1");
	ck_assert_int_eq(reported(directory, &why), BASE_REFUSE);
	ck_assert_ptr_nonnull(strstr(why, "aliases:1: a quote is not closed"));
	ck_assert_int_eq(audience_failure(directory, &why), BASE_NONE);
	base_sleep_ms(1500);
	ck_assert_str_eq(count(directory, "all@example.com"), "3 exact 1");
	ck_assert_int_eq(audience_failure(directory, &why), BASE_NONE);

	unlink(aliases);
	becomes(directory, "all@example.com", "3 exact 1");
	ck_assert_int_eq(reported(directory, &why), BASE_BROKEN);

	snprintf(text, sizeof(text), "all: :include:%s\n", team);
	write_file(aliases, text);
	becomes(directory, "all@example.com", "1 unknown 1");
	write_file(team, "a, b, c, d\n");
	becomes(directory, "all@example.com", "4 exact 1");
	write_file(team, "a, b, c\n");
	becomes(directory, "all@example.com", "3 exact 1");
	audience_directory_free(&directory);
}
END_TEST

/* More members than the bound: a number that is true all the same. */
START_TEST(test_many_members)
{
	struct audience_directory *directory;
	FILE *file = fopen(aliases, "w");

	ck_assert_ptr_nonnull(file);
	fputs("few: bob, ann\nall:", file);
	for (int i = 0; i < 120000; i++)
		fprintf(file, " user%d,\n", i);
	ck_assert_int_eq(fclose(file), 0);
	directory = open_directory();
	ck_assert_str_eq(count(directory, "few@example.com"), "2 exact 1");
	ck_assert_str_eq(count(directory, "all@example.com"), "99998 at-least 1");
	audience_directory_free(&directory);
}
END_TEST

/* Lists within lists, up to the bound and beyond it. */
START_TEST(test_depth)
{
	struct audience_directory *directory;
	FILE *file = fopen(aliases, "w");

	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < 1000; i++)
		fprintf(file, "l%d: l%d, p%d\n", i, i + 1, i);
	ck_assert_int_eq(fclose(file), 0);
	directory = open_directory();
	ck_assert_str_eq(count(directory, "l990@example.com"), "11 exact 1");
	ck_assert_str_eq(count(directory, "l0@example.com"), "20 at-least 1");
	audience_directory_free(&directory);
}
END_TEST

/* Recipients beyond what was kept of the envelope. */
START_TEST(test_capped)
{
	const char *items[] = { "a@example.net", "b@example.net" };
	struct mail_transaction transaction = {
		.recipients = { .items = items, .count = 2, .seen = 9, .capped = true }
	};
	struct audience_directory *directory;
	struct audience audience;

	write_file(aliases, "");
	directory = open_directory();
	audience_count(directory, &transaction, "", &audience);
	ck_assert_int_eq(audience.kind, AUDIENCE_AT_LEAST);
	ck_assert_uint_eq(audience.people, 2);
	audience_directory_free(&directory);
}
END_TEST

static const struct {
	const char *sender, *recipients, *answer;
} own_cases[] = {
	{ "anna@example.net", "anna@example.net bob@example.net", "1 exact 0" },
	{ "anna@example.net", "bob@example.net carl@example.net", "2 exact 0" },
	/* a member of the list, by the one name or the other */
	{ "anna@example.com", "team@example.com", "2 exact 1" },
	{ "anna@example.com", "team@example.com anna@example.com", "2 exact 1" },
	{ "anna@example.net", "team@example.com", "2 exact 1" },
	/* nobody else gets it */
	{ "anna@example.com", "anna@example.com", "1 exact 0" },
	{ "x@example.net", "x@example.net", "1 exact 0" },
	/* a list that sends, and one whose members nobody knows */
	{ "team@example.com", "team@example.com", "3 exact 1" },
	{ "anna@example.com", "all-staff@example.com", "2100 exact 1" },
};

/* Who writes is none of the people that it goes to. */
START_TEST(test_the_sender_is_not_counted)
{
	struct audience_directory *directory;

	write_file(aliases, "team: anna, bob, carl\nanna: anna@example.net\n");
	directory = open_directory();
	ck_assert_str_eq(count_of(directory, own_cases[_i].sender, own_cases[_i].recipients),
	    own_cases[_i].answer);
	audience_directory_free(&directory);
}
END_TEST

static const struct {
	const char *local[2];
	const char *sender, *address;
	bool is_inside;
} places[] = {
	{ { "example.com", "example.org" }, "a@example.com", "b@example.org", true },
	{ { "example.com", "example.org" }, "a@example.com", "b@example.net", false },
	{ { "example.com", "example.org" }, "a@example.com", "b@sub.example.org", true },
	{ { "example.com", "example.org" }, "a@example.com", "b%x.net@example.org", false },
	{ { "example.com", "example.org" }, "a@example.com", "b", true },
	/* one organisation is what one registered */
	{ { "cs.example.ac.uk" }, "a@cs.example.ac.uk", "b@law.example.ac.uk", true },
	{ { "cs.example.ac.uk" }, "a@cs.example.ac.uk", "b@other.ac.uk", false },
	{ { "shop.github.io" }, "a@shop.github.io", "b@other.github.io", false },
	{ { "co.uk" }, "a@co.uk", "b@x.co.uk", true },
	/* somebody from outside who writes to us is not one of us, but of their own */
	{ { "example.com", "example.org" }, "a@out.net", "b@example.com", false },
	{ { "example.com", "example.org" }, "a@out.net", "b@mail.out.net", true },
};

START_TEST(test_who_is_inside)
{
	struct settings settings = { .identity = { .local_domains = (const char **)places[_i].local,
					 .local_domain_count =
					     places[_i].local[1] == NULL ? 1 : 2 } };
	struct audience_directory *directory;
	struct mail_transaction transaction = { 0 };
	const char *why = "";

	ck_assert_int_eq(audience_directory_new(&settings, &directory, &why), BASE_OK);
	transaction.inside = audience_inside(directory);
	ck_assert_int_eq(mail_is_inside(&transaction, places[_i].sender, places[_i].address),
	    places[_i].is_inside);
	audience_directory_free(&directory);
}
END_TEST

static const struct {
	const char *sender;
	size_t count, seen, recipients;
} address_cases[] = {
	{ "b@example.net", 3, 3, 2 },
	{ "x@example.net", 3, 3, 3 },
	{ "a@example.net", 1, 1, 1 },
	{ "b@example.net", 3, 9, 8 },
};

START_TEST(test_the_senders_address_is_not_counted)
{
	const char *items[] = { "a@example.net", "b@example.net", "c@example.net" };
	struct mail_transaction transaction = { .recipients = { .items = items,
						    .count = address_cases[_i].count,
						    .seen = address_cases[_i].seen } };

	ck_assert_uint_eq(audience_recipients(&transaction, address_cases[_i].sender),
	    address_cases[_i].recipients);
}
END_TEST

/* Counts until the file has changed often enough. */
static void *
count_often(void *context)
{
	struct audience_directory *directory = context;
	const char *items[] = { "all@example.com" };
	struct mail_transaction transaction = { .recipients = { .items = items, .count = 1 } };
	int64_t end = base_now_ms() + 2500;
	struct audience audience = { .people = 2 };

	while (base_now_ms() < end && (audience.people == 2 || audience.people == 3))
		audience_count(directory, &transaction, "", &audience);
	return audience.people == 2 || audience.people == 3 ? directory : NULL;
}

/* Threads that count while the file changes see the old or the new, nothing between. */
START_TEST(test_threads)
{
	struct audience_directory *directory;
	pthread_t threads[3];
	void *answer;

	write_file(aliases, "all: bob, ann\n");
	directory = open_directory();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_often, directory), 0);
	for (int i = 0; i < 20; i++) {
		write_file(aliases, i % 2 ? "all: bob, ann\n" : "all: bob, ann, eve\n");
		base_sleep_ms(110);
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &answer), 0);
		ck_assert_ptr_eq(answer, directory);
	}
	audience_directory_free(&directory);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("audience");
	TCase *tests = tcase_create("audience");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_count, 0, COUNT(cases));
	tcase_add_loop_test(tests, test_malformed, 0, COUNT(malformed));
	tcase_add_test(tests, test_missing);
	tcase_add_loop_test(tests, test_sources, 0, COUNT(more_cases));
	tcase_add_loop_test(tests, test_more_malformed, 0, COUNT(more_malformed));
	tcase_add_test(tests, test_folder_changes);
	tcase_add_test(tests, test_changes);
	tcase_add_test(tests, test_fifo);
	tcase_add_test(tests, test_dead_mount);
	tcase_add_test(tests, test_many_members);
	tcase_add_test(tests, test_depth);
	tcase_add_test(tests, test_capped);
	tcase_add_loop_test(tests, test_who_is_inside, 0, COUNT(places));
	tcase_add_loop_test(tests, test_the_sender_is_not_counted, 0, COUNT(own_cases));
	tcase_add_loop_test(
	    tests, test_the_senders_address_is_not_counted, 0, COUNT(address_cases));
	tcase_add_test(tests, test_threads);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
