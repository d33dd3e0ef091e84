/* check/postfix - does Postfix pass its mail through us? see internal.h */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/check/postconf.h"
#include "milter/check/probe.h"

/* --- services --------------------------------------------------------------------- */

/* Does a service listen at one of these ports? Its name may have a host: "[::1]:587/inet". */
static bool
listens_at(const char *service, const char *const names[], size_t count)
{
	int length = (int)strcspn(service, "/");
	const char *colon = memrchr(service, ':', (size_t)length);

	if (colon != NULL) {
		length -= (int)(colon + 1 - service);
		service = colon + 1;
	}
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == (size_t)length &&
		    strncmp(service, names[i], (size_t)length) == 0)
			return true;
	return false;
}

/* Is it for people alone, who log in? */
static bool
is_submission(const char *service)
{
	static const char *const names[] = { "submission", "submissions", "smtps", "465", "587" };

	return listens_at(service, names, sizeof(names) / sizeof(*names));
}

/* Do people send through this service, by its name in master.cf? */
static bool
is_for_people(const char *service)
{
	static const char *const names[] = { "smtp", "25" };

	return is_submission(service) || listens_at(service, names, sizeof(names) / sizeof(*names));
}

/* Is there a submission service, and does every one name us? */
static bool
is_submission_judged(const struct postfix *postfix)
{
	bool is_any = false;

	for (size_t i = 0; i < postfix->service_count; i++) {
		const struct postfix_service *service = &postfix->services[i];

		if (service->is_cleanup || !is_submission(service->name))
			continue;
		if (service->entry.place == POSTFIX_ABSENT)
			return false;
		is_any = true;
	}
	return is_any;
}

/* The services that go by a list of main.cf which does not name us; NULL: no memory. */
static const char *
names_left_out(const struct postfix *postfix, bool is_cleanup)
{
	const char *names = "";

	for (size_t i = 0; i < postfix->service_count && names != NULL; i++) {
		const struct postfix_service *service = &postfix->services[i];

		if (service->is_cleanup == is_cleanup && service->own_milters == NULL)
			names = base_arena_printf(postfix->check->arena, "%s%s%s", names,
			    *names != '\0' ? ", " : "", service->name);
	}
	return names;
}

/* --- milters ---------------------------------------------------------------------- */

/* The line of main.cf or the -o of master.cf that would be right. */
static const char *
right_line(const struct postfix *postfix, const char *name, const char *list)
{
	return base_arena_printf(postfix->check->arena, "%s = %s%s%s", name, list,
	    *list != '\0' ? ", " : "", postfix_socket(postfix));
}

/* A milter comes after us in a list of main.cf. */
static void
report_early(const struct postfix *postfix, const char *name)
{
	const char *change = base_arena_printf(postfix->check->arena,
	    "in main.cf: move %s to the end of %s", postfix_socket(postfix), name);

	check_fault(postfix->check, change != NULL ? change : name,
	    "postfix: in %s a milter comes after us: it never sees the mail that we hold", name);
}

/*
 * We are not in a list of main.cf. Where every submission service names us, that is how a site
 * may want it: what people send there is judged, and nothing else.
 */
static void
report_absent(const struct postfix *postfix, const char *name, const char *list, bool is_cleanup)
{
	const char *change = base_arena_printf(
	    postfix->check->arena, "in main.cf: %s", right_line(postfix, name, list));
	const char *left_out = names_left_out(postfix, is_cleanup);

	if (change == NULL || left_out == NULL)
		return;
	if (!is_submission_judged(postfix))
		check_fault(postfix->check, change,
		    "postfix: %s does not name us: its mail is not judged", name);
	else if (*left_out != '\0')
		check_warn(postfix->check, change,
		    "postfix: only submission is judged: %s does not name us, and mail by "
		    "%s is not judged",
		    name, left_out);
	else
		check_ok(postfix->check, "postfix: no service goes by %s of main.cf", name);
}

/* Are we in the list of main.cf, and the last one? */
static void
check_milters(const struct postfix *postfix, bool is_cleanup)
{
	const char *name = is_cleanup ? "non_smtpd_milters" : "smtpd_milters";
	const char *list = is_cleanup ? postfix->non_smtpd_milters : postfix->smtpd_milters;

	switch (postfix_find(postfix, list).place) {
	case POSTFIX_ABSENT:
		report_absent(postfix, name, list, is_cleanup);
		break;
	case POSTFIX_EARLY:
		report_early(postfix, name);
		break;
	case POSTFIX_LAST:
		check_ok(postfix->check, "postfix: we are the last one in %s", name);
		break;
	}
}

/* One service of master.cf that has milters of its own. */
static void
check_service(const struct postfix *postfix, const struct postfix_service *service)
{
	const char *name = base_arena_printf(postfix->check->arena, "%s/%ssmtpd_milters",
	    service->name, service->is_cleanup ? "non_" : "");
	const char *change = base_arena_printf(postfix->check->arena,
	    "in master.cf, service %.*s: -o { %s }, or take out its -o %ssmtpd_milters",
	    (int)strcspn(service->name, "/"), service->name,
	    right_line(postfix, service->is_cleanup ? "non_smtpd_milters" : "smtpd_milters",
		service->own_milters),
	    service->is_cleanup ? "non_" : "");

	if (name == NULL || change == NULL)
		return;
	if (service->entry.place == POSTFIX_EARLY)
		check_fault(postfix->check, change,
		    "postfix: in %s a milter comes after us: it never sees the mail that "
		    "we hold",
		    name);
	else if (service->entry.place == POSTFIX_LAST)
		check_ok(postfix->check, "postfix: we are the last one in %s", name);
	else if (is_submission(service->name) ||
		 (is_for_people(service->name) && !is_submission_judged(postfix)))
		check_fault(postfix->check, change,
		    "postfix: %s does not name us: what people send there is not judged", name);
	else
		check_warn(postfix->check, change,
		    "postfix: %s does not name us: what is sent there is not judged", name);
}

/* Services of master.cf with milters of their own. */
static void
check_services(const struct postfix *postfix)
{
	for (size_t i = 0; i < postfix->service_count; i++)
		if (postfix->services[i].own_milters != NULL)
			check_service(postfix, &postfix->services[i]);
}

/* A service whose mail passes by all milters. */
static void
check_override(struct postfix *postfix, const char *service, const char *options)
{
	if (strstr(options, "no_milters") == NULL)
		return;
	if (strncmp(service, "pickup/", 7) == 0)
		check_warn(postfix->check, "in master.cf: take no_milters out of that service",
		    "postfix: %s/receive_override_options = %s: mail of the sendmail command "
		    "is not judged",
		    service, options);
	else if (is_for_people(service))
		check_fault(postfix->check, "in master.cf: take no_milters out of that service",
		    "postfix: %s/receive_override_options = %s: what people send there is "
		    "not judged",
		    service, options);
}

/* Options that take milters out of the way of a service, or of all. */
static void
check_no_milters(struct postfix *postfix)
{
	char all[POSTFIX_TEXT];

	if (postfix_ask(postfix, "receive_override_options", all) &&
	    strstr(all, "no_milters") != NULL)
		check_fault(postfix->check,
		    "in main.cf: take no_milters out of receive_override_options",
		    "postfix: receive_override_options = %s: no mail is judged", all);
	(void)postfix_each(postfix, "-P:receive_override_options", check_override);
}

/* --- is it there at all ------------------------------------------------------------ */

/* Does its master answer for its services? Its mail could neither be taken nor be released. */
static void
check_running(const struct postfix *postfix)
{
	const char *why = "";
	int pid = 0;
	const char *path =
	    base_arena_printf(postfix->check->arena, "%s/public/showq", postfix->queue_directory);

	if (path == NULL || geteuid() != 0) /* who may enter public/, only root can be sure of */
		return;
	if (probe_owner(path, &pid, &why) == BASE_BROKEN)
		check_fault(postfix->check, "start Postfix",
		    "postfix: does not run: %s: no mail comes in, and none leaves", why);
	else
		check_ok(postfix->check, "postfix: runs");
}

/* --- single values ---------------------------------------------------------------- */

/* Are queue ids used again for other mail? */
static void
check_long_ids(const struct postfix *postfix)
{
	char value[POSTFIX_TEXT];

	if (!postfix_ask(postfix, "enable_long_queue_ids", value))
		return;
	if (strcmp(value, "yes") == 0)
		check_ok(postfix->check, "postfix: queue ids are long and never used again");
	else
		check_warn(postfix->check, "in main.cf: enable_long_queue_ids = yes",
		    "postfix: queue ids are short and used again: a line of the log may "
		    "mean another mail");
}

void
check_postfix(struct check *check)
{
	struct postfix *postfix = base_arena_alloc(check->arena, sizeof(*postfix));

	if (postfix == NULL)
		return;
	postfix->check = check;
	if (!postfix_read(postfix))
		return;
	check_running(postfix);
	check_milters(postfix, false);
	check_milters(postfix, true);
	check_services(postfix);
	check_no_milters(postfix);
	check_reach(postfix);
	check_agree(postfix);
	check_long_ids(postfix);
}
