/*
 * NAME
 *	web - the pages behind the links: GET shows, POST asks
 *
 * WHAT IT DOES
 *	GET or HEAD BASE/h/TOKEN shows what is held and why, or what became of it. POST there with
 *	the fields of its form (do=send, undo, restore or lift, and at=, the state that the form
 *	was made for) records that request and sends the browser back to the page (303). A form made
 *	for another state moves nothing. It is the only table from results to HTTP codes.
 *
 *	The page after a press never has a button of the opposite meaning where the pressed one
 *	was: what was stopped can be sent after all some seconds later only, by opening that part
 *	of the page and ticking a box.
 *
 * WHAT IT NEVER DOES
 *	Looking never acts. A wrong, foreign or expired token gets one and the same plain page.
 *	No JavaScript, no foreign resource, no history database.
 *
 * BOUNDS
 *	WEB_MAX_CONNECTIONS at a time, WEB_MAX_PER_CLIENT of one address (of IPv6: 64 bits of it;
 *	from web.trusted_proxies: of the address that the proxy names), WEB_MAX_FORM bytes of a
 *	form, WEB_SECONDS for a whole request, WEB_IDLE_SECONDS without a byte.
 *
 * THREADS
 *	Its own, inside.
 *
 * DIAGNOSTICS
 *	web_start(): BROKEN when the address cannot be listened on. While the store fails, pages
 *	say so (503) and one line a minute is logged.
 */
#ifndef OOPS_WEB_H
#define OOPS_WEB_H

#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/settings/settings.h"
#include "milter/words/template.h"

#define WEB_MAX_CONNECTIONS 256
#define WEB_MAX_PER_CLIENT 32
#define WEB_MAX_FORM 1024
#define WEB_SECONDS 20
#define WEB_IDLE_SECONDS 5

struct web;

enum base_result web_start(const struct settings *settings, const struct words_templates *templates,
    struct hold *hold, struct web **web_r, const char **why_r);
/*
 * Other settings from the next request on (web.base_url, web.trusted_proxies, notice.language,
 * templates); the former may be freed
 * when it returns. It goes on listening where it did.
 */
void web_change(
    struct web *web, const struct settings *settings, const struct words_templates *templates);
void web_stop(struct web **web);
/* The TCP port in use; of interest when the settings ask for port 0, "any". */
unsigned web_port(const struct web *web);

#endif
