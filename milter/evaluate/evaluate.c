/* evaluate - one send from its facts to a decision; see evaluate.h */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/evaluate/evaluate.h"

#include "milter/identity/value.h"

enum base_result
evaluate_recall(const struct evaluate_sources *sources, struct base_arena *arena,
    struct evaluation *evaluation, const char **why_r)
{
	struct judge_facts *facts = &evaluation->facts;
	const char *account = identity_own_account(facts->identity);
	enum base_result result = history_recall(sources->history, sources->key, arena,
	    facts->identity->actor, facts->transaction, &evaluation->recall, why_r);

	facts->recall = &evaluation->recall;
	facts->login_recall = NULL;
	if (result != BASE_OK || account[0] == '\0')
		return result;
	result = history_recall(sources->history, sources->key, arena, account, facts->transaction,
	    &evaluation->login_recall, why_r);
	if (result == BASE_OK && evaluation->login_recall.sender.is_known)
		facts->login_recall = &evaluation->login_recall;
	return result;
}

enum base_result
evaluate_score(const struct evaluate_sources *sources, struct base_arena *arena,
    struct evaluation *evaluation, const char **why_r)
{
	return judge_score(
	    &evaluation->facts, sources->scorecard, arena, &evaluation->score, why_r);
}

void
evaluate_decide(const struct evaluate_sources *sources, struct evaluation *evaluation,
    const struct policy_counts *counts)
{
	const struct judge_facts *facts = &evaluation->facts;
	struct policy_facts *asked = &evaluation->asked;

	asked->settings = sources->settings;
	asked->transaction = facts->transaction;
	asked->actor = facts->identity->actor;
	asked->audience = facts->audience;
	asked->recall = facts->recall;
	asked->proof = facts->identity->proof;
	asked->is_proved_person = facts->identity->person[0] != '\0';
	evaluation->decision = policy_decide(asked, &evaluation->score, counts);
}
