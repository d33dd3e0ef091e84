/* check/letters - are our letters taken, and do the links lead to our pages? see internal.h */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/check/internal.h"
#include "milter/notice/notice.h"

#define PAGE_BYTES (256u << 10)

/* Where oops-web itself answers, with the path of base_url: what a browser should get. */
static const char *
own_url(const struct check *check)
{
	const struct settings *settings = check->settings;
	const char *host = settings->web.listen_host;
	const char *scheme = strstr(settings->web.base_url, "://");
	const char *path = scheme != NULL ? strchr(scheme + 3, '/') : NULL;
	bool is_six = strchr(host, ':') != NULL;

	/* Where it listens on every address, this host's own is one of them. */
	if (strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		host = "::1";
	return base_arena_printf(check->arena, "http://%s%s%s:%u%s/", is_six ? "[" : "", host,
	    is_six ? "]" : "", settings->web.listen_port, path != NULL ? path : "");
}

/* Does base_url lead to the page that oops-web itself shows? */
static void
check_base_url(struct check *check, const struct base_buffer *own)
{
	static const char change[] = "web: { base_url = \"URL\"; } in the settings, or the "
				     "proxy in front of oops-web";
	const char *base_url = check->settings->web.base_url, *why = "no memory";
	const char *url = base_arena_printf(check->arena, "%s/", base_url);
	enum base_result result = BASE_BROKEN;
	struct base_buffer page;

	base_buffer_init(&page, PAGE_BYTES);
	if (url != NULL)
		result = notice_probe_page(url, &page, &why);
	if (result != BASE_OK)
		check_fault(check, change, "base_url: the links lead nowhere: %s", why);
	else if (strcmp(base_buffer_text(&page), base_buffer_text(own)) != 0)
		check_fault(check, change,
		    "base_url: the links lead to %s, where something other than oops-web "
		    "answers",
		    base_url);
	else
		check_ok(check, "base_url: %s leads to oops-web", base_url);
	base_buffer_free(&page);
}

/* Do the pages answer, and do the links lead there? */
void
check_web(struct check *check)
{
	const char *url = own_url(check), *why = "no memory";
	enum base_result result = BASE_BROKEN;
	struct base_buffer own;

	base_buffer_init(&own, PAGE_BYTES);
	if (url != NULL)
		result = notice_probe_page(url, &own, &why);
	check->web_answers = result == BASE_OK;
	if (result == BASE_OK) {
		check_ok(check, "oops-web: answers at %s", url);
		check_base_url(check, &own);
	} else {
		check_fault(check, "start oops-web, or web.listen", "oops-web: %s", why);
	}
	base_buffer_free(&own);
}

/* Does the server for our letters take them, and answers to them? */
void
check_letters(struct check *check)
{
	const struct settings *settings = check->settings;
	const char *why = "";

	switch (notice_probe_mailbox(settings, settings->notice.from, &why)) {
	case BASE_OK:
		check_ok(check, "letters: %s takes mail for %s", settings->notice.smtp,
		    settings->notice.from);
		break;
	case BASE_REFUSE:
		check_fault(check,
		    "notice: { from = \"ADDRESS\"; } in the settings, a mailbox that "
		    "exists",
		    "letters: %s does not take mail for %s: %s", settings->notice.smtp,
		    settings->notice.from, why);
		break;
	case BASE_NONE:
		check_warn(check, "what the server says, or try again later",
		    "letters: %s does not take mail for %s now: %s", settings->notice.smtp,
		    settings->notice.from, why);
		break;
	default:
		check_fault(check,
		    "notice: { smtp = \"URL\"; } in the settings, or start that server",
		    "letters: %s", why);
	}
}
