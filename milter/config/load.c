/* load - a generation from the settings file and the files it names; see config.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/config/internal.h"

#include <stdlib.h>

#include "milter/audit/audit.h"

enum base_result
config_settings_load(const char *path, struct settings **settings_r, struct base_buffer *faults_r)
{
	struct settings_errors errors;
	enum base_result result = settings_load(path, settings_r, &errors);

	for (size_t i = 0; i < errors.count; i++)
		settings_error_print(&errors.items[i], faults_r);
	settings_errors_free(&errors);
	return result;
}

enum base_result
config_scorecard_load(
    const struct settings *settings, struct judge_scorecard **scorecard_r, const char **why_r)
{
	const char *path = settings->judge.scorecard;
	struct base_arena *arena;
	enum base_result result;
	size_t length;
	char *text;

	if (path == NULL)
		return judge_scorecard_default(scorecard_r, why_r);
	arena = base_arena_new(CONFIG_MAX_SCORECARD + 4096);
	if (arena == NULL) {
		*why_r = "no memory for a scorecard";
		return BASE_BROKEN;
	}
	result = base_file_read(arena, path, CONFIG_MAX_SCORECARD, &text, &length, why_r);
	if (result == BASE_OK)
		result = judge_scorecard_parse(text, length, path, scorecard_r, why_r);
	base_arena_free(&arena);
	return result;
}

enum base_result
config_templates_load(const struct settings *settings, struct words_templates **templates_r,
    struct base_buffer *faults_r)
{
	struct words_named *named = calloc(settings->policy_count + 1, sizeof(*named));
	enum base_result result;

	if (named == NULL) {
		base_buffer_puts(faults_r, "no memory for templates\n");
		return BASE_BROKEN;
	}
	named[0] = (struct words_named){ settings->notice.template, settings->notice.language };
	for (size_t i = 0; i < settings->policy_count; i++)
		named[i + 1] = (struct words_named){ settings->policies[i].template,
			settings->policies[i].language };
	result = words_templates_load(named, settings->policy_count + 1, templates_r, faults_r);
	free(named);
	return result;
}

/* One fault of what the settings name; the first result that is not OK stays. */
static void
load_reported(
    enum base_result result, const char *why, enum base_result *all, struct base_buffer *faults_r)
{
	if (result == BASE_OK)
		return;
	base_buffer_printf(faults_r, "%s\n", why);
	if (*all == BASE_OK)
		*all = result;
}

/* A process that checks SPF died: it is the mail of that check which is not proved. */
static void
spf_died(const char *what)
{
	audit_event(
	    AUDIT_ERROR, NULL, { "where", "spf" }, { "what", what }, { "answer", "not proved" });
}

/* What the settings name beside themselves; every file is tried, every fault told. */
static enum base_result
load_named(struct site_whole *whole, struct base_buffer *faults_r)
{
	const struct settings *settings = whole->settings;
	enum base_result result, all = BASE_OK;
	const char *why = "";

	result = base_key_load(settings->key_file, &whole->key, &why);
	load_reported(result, why, &all, faults_r);
	result = config_scorecard_load(settings, &whole->scorecard, &why);
	load_reported(result, why, &all, faults_r);
	result = audience_directory_new(settings, &whole->config.audience, &why);
	load_reported(result, why, &all, faults_r);
	result = identity_sources_open(settings, spf_died, &whole->config.identity, &why);
	load_reported(result, why, &all, faults_r);
	result = config_templates_load(settings, &whole->config.templates, faults_r);
	all = all == BASE_OK ? result : all;
	whole->config.settings = settings;
	whole->config.key = whole->key;
	whole->config.scorecard = whole->scorecard;
	return all;
}

/* The reasons that rules name are signals that there are. */
static enum base_result
load_rules(const struct settings *settings, struct base_buffer *faults_r)
{
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < settings->policy_count; i++) {
		const struct settings_policy *rule = &settings->policies[i];

		for (size_t k = 0; k < rule->match.reason_count; k++) {
			if (judge_has_signal(rule->match.reasons[k]))
				continue;
			base_buffer_printf(faults_r,
			    "%s:%d: policy[%zu].match.reason = \"%s\": no such signal: the "
			    "scorecard names those there are\n",
			    rule->file, rule->line, i + 1, rule->match.reasons[k]);
			result = BASE_REFUSE;
		}
	}
	return result;
}

enum base_result
config_load(const char *path, const struct config **config_r, struct base_buffer *faults_r)
{
	struct site_whole *whole = calloc(1, sizeof(*whole));
	const struct config *config;
	enum base_result result;

	if (whole == NULL) {
		base_buffer_printf(faults_r, "%s: no memory\n", path);
		return BASE_BROKEN;
	}
	atomic_init(&whole->users, 1);
	config = &whole->config;
	result = config_settings_load(path, &whole->settings, faults_r);
	if (result == BASE_OK)
		result = load_rules(whole->settings, faults_r);
	if (result == BASE_OK)
		result = load_named(whole, faults_r);
	if (result == BASE_OK)
		*config_r = config;
	else
		config_release(&config);
	return result;
}
