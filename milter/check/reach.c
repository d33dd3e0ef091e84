/* check/reach - do Postfix's services reach us, and if not? see postconf.h */
#include <stdio.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/check/postconf.h"
#include "milter/check/probe.h"

/* Are two services that ask us the same in what is looked at? */
typedef bool alike_fn(
    const struct postfix *postfix, const struct postfix_service *, const struct postfix_service *);
/* Looks at services that are alike: `service` is the first of them, `names` are those of all. */
typedef void look_fn(
    const struct postfix *postfix, const struct postfix_service *service, const char *names);

/* Services that are alike are one finding, by the names of all. */
static void
each_kind(const struct postfix *postfix, alike_fn *is_alike, look_fn *look)
{
	bool is_seen[POSTFIX_MAX_SERVICES] = { false };

	for (size_t i = 0; i < postfix->service_count; i++) {
		const struct postfix_service *service = &postfix->services[i];
		const char *names = service->name;

		if (service->entry.place == POSTFIX_ABSENT || is_seen[i])
			continue;
		for (size_t j = i + 1; j < postfix->service_count && names != NULL; j++) {
			const struct postfix_service *other = &postfix->services[j];

			if (other->entry.place == POSTFIX_ABSENT ||
			    !is_alike(postfix, service, other))
				continue;
			is_seen[j] = true;
			names =
			    base_arena_printf(postfix->check->arena, "%s, %s", names, other->name);
		}
		if (names != NULL)
			look(postfix, service, names);
	}
}

/* --- the socket ------------------------------------------------------------------- */

/* Do they look for our unix socket at the same place? */
static bool
has_same_path(
    const struct postfix *postfix, const struct postfix_service *a, const struct postfix_service *b)
{
	(void)postfix;
	return a->is_chrooted == b->is_chrooted && strcmp(a->entry.socket, b->entry.socket) == 0;
}

/* Where a service looks for our socket, seen from the root that all others have. */
static const char *
outer_path(const struct postfix *postfix, const struct postfix_service *service)
{
	const char *socket = service->entry.socket;

	if (!service->is_chrooted && *socket == '/')
		return socket;
	return base_arena_printf(
	    postfix->check->arena, "%s/%s", postfix->queue_directory, socket + (*socket == '/'));
}

/* A service looks where our socket is not. */
static void
report_elsewhere(
    const struct postfix *postfix, const struct postfix_service *service, const char *names)
{
	if (service->is_chrooted)
		check_fault(postfix->check,
		    postfix->inside != NULL
			? postfix_socket(postfix)
			: "milter: { socket = \"unix:QUEUE_DIRECTORY/...\"; } in the "
			  "settings and its path below the queue directory in Postfix, "
			  "or chroot to n in master.cf",
		    "postfix: %s: chrooted to %s, cannot find %s there: mail flows "
		    "unjudged",
		    names, postfix->queue_directory, service->entry.socket);
	else
		check_fault(postfix->check, postfix_socket(postfix),
		    "postfix: %s: cannot find %s, our socket is %s: mail flows unjudged", names,
		    service->entry.socket, postfix->ours.path);
}

/* Can services connect to our unix socket, as their user, and within their chroot? */
static void
look_reach(const struct postfix *postfix, const struct postfix_service *service, const char *names)
{
	const char *root = service->is_chrooted ? postfix->queue_directory : NULL;
	const char *path = outer_path(postfix, service), *why = "";
	bool is_right = path != NULL && endpoint_is_path(postfix->ours.path, path);
	enum base_result result = BASE_NONE;

	if (path != NULL && postfix->check->milter_answers)
		result = probe_reach(
		    postfix->mail_owner, root, root != NULL ? service->entry.socket : path, &why);
	if (result == BASE_OK)
		check_ok(postfix->check, "postfix: %s: as user %s%s, can reach %s", names,
		    postfix->mail_owner, root != NULL ? " in its chroot" : "", postfix->ours.path);
	else if (!is_right)
		report_elsewhere(postfix, service, names);
	else if (!postfix->check->milter_answers)
		return; /* told with the milter */
	else if (result == BASE_NONE)
		check_warn(postfix->check, "run oopsctl check as root",
		    "postfix: %s: whether they can reach %s is not known: %s", names,
		    postfix->ours.path, why);
	else
		check_fault(postfix->check,
		    "the mode of its folders, milter: { socket_mode = 0660; } in the "
		    "settings and the group of the socket",
		    "postfix: %s: as user %s%s, cannot connect to %s: %s: mail flows "
		    "unjudged",
		    names, postfix->mail_owner, root != NULL ? " in its chroot" : "",
		    postfix->ours.path, why);
}

/* --- while we are down ------------------------------------------------------------ */

/* What a service does with mail then: by our entry, by its own -o, by main.cf. */
static const char *
action_of(const struct postfix *postfix, const struct postfix_service *service)
{
	if (service->entry.action != NULL)
		return service->entry.action;
	return service->own_action != NULL ? service->own_action : postfix->action;
}

/* Do they do the same, because of the same line? */
static bool
has_same_action(
    const struct postfix *postfix, const struct postfix_service *a, const struct postfix_service *b)
{
	return (a->entry.action == NULL) == (b->entry.action == NULL) &&
	       (a->own_action == NULL) == (b->own_action == NULL) &&
	       strcmp(action_of(postfix, a), action_of(postfix, b)) == 0;
}

/* What to write instead, where it is written. */
static const char *
action_change(const struct postfix_service *service)
{
	if (service->entry.action != NULL)
		return "in the braces around our socket: default_action=accept (or "
		       "tempfail)";
	if (service->own_action != NULL)
		return "in master.cf, these services: -o milter_default_action=accept (or "
		       "tempfail)";
	return "in main.cf: milter_default_action = accept (or tempfail)";
}

/* What happens to mail while oops-milter is down? */
static void
look_action(const struct postfix *postfix, const struct postfix_service *service, const char *names)
{
	const char *action = action_of(postfix, service);
	const char *name =
	    service->entry.action != NULL ? "default_action" : "milter_default_action";

	if (strcmp(action, "accept") == 0)
		check_ok(postfix->check,
		    "postfix: %s: %s = accept: mail flows, unjudged, while oops-milter is "
		    "down",
		    names, name);
	else if (strcmp(action, "tempfail") == 0 || strcmp(action, "shutdown") == 0)
		check_ok(postfix->check,
		    "postfix: %s: %s = %s: mail waits at the sender while oops-milter is down",
		    names, name, action);
	else
		check_fault(postfix->check, action_change(service),
		    "postfix: %s: %s = %s: mail does not reach its recipients while "
		    "oops-milter is down",
		    names, name, action);
}

void
check_reach(const struct postfix *postfix)
{
	if (postfix->ours.path != NULL)
		each_kind(postfix, has_same_path, look_reach);
	each_kind(postfix, has_same_action, look_action);
}
