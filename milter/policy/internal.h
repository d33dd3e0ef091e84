/*
 * NAME
 *	policy/internal - what the files of this module share
 */
#ifndef OOPS_POLICY_INTERNAL_H
#define OOPS_POLICY_INTERNAL_H

#include "milter/policy/policy.h"

/* match.c */
/* Why a rule does not fit, its reasons left aside: as policy_mismatch(). */
const char *policy_mismatch_but_reasons(const struct policy_facts *facts,
    const struct settings_match *match, char *capacity_r, size_t size);

/* gate.c */
/* How much a score must be while the site's own percentile is not known. */
double policy_new_site_threshold(const struct settings_policy *rule, double threshold);
/* How many sends of a sender must be known before one is held. */
unsigned long policy_sends_needed(
    const struct history_recall *recall, const struct settings_policy *rule);
/* The gate that a score which was high enough was compared with last. */
enum policy_gate policy_gate_last(const struct history_recall *recall);

#endif
