/*
 * NAME
 *	result - calls that must have one result
 *
 * The test keeps the reasons of its calls in a variable named `why`.
 */
#ifndef OOPS_TEST_RESULT_H
#define OOPS_TEST_RESULT_H

#include <check.h>

#include "milter/base/result.h"

#define OK(call) must_be(BASE_OK, call, &why, #call)
#define NONE(call) must_be(BASE_NONE, call, &why, #call)
#define REFUSE(call) must_be(BASE_REFUSE, call, &why, #call)

/* Fails with the call and its reason; a pointer, as the call comes to set it. */
static inline void
must_be(
    enum base_result expected, enum base_result result, const char *const *why_of, const char *call)
{
	ck_assert_msg(result == expected, "%s: %s, not %s (%s)", call, base_result_str(result),
	    base_result_str(expected), *why_of);
}

#endif
