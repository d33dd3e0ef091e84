/*
 * sqlite_schema - the tables of holds.db, version by version
 *
 * What the keeper asks several times a second goes through partial indexes that hold only
 * the rows with something left to do, so that settled holds cost nothing.
 */
#include "milter/store/sqlite.h"

const char *const store_sqlite_holds_schema[] = {
	"CREATE TABLE hold ("
	"  id TEXT PRIMARY KEY NOT NULL, node TEXT NOT NULL, state INTEGER NOT NULL,"
	"  action INTEGER NOT NULL, act BLOB NOT NULL, sender TEXT NOT NULL,"
	"  subject TEXT NOT NULL, recipients TEXT NOT NULL, recipient_count INTEGER NOT "
	"NULL,"
	"  people INTEGER NOT NULL, people_kind INTEGER NOT NULL, score REAL NOT NULL,"
	"  reasons TEXT NOT NULL, policy TEXT NOT NULL, language TEXT NOT NULL,"
	"  created INTEGER NOT NULL, due INTEGER NOT NULL, deadline INTEGER NOT NULL,"
	"  window INTEGER NOT NULL, grace INTEGER NOT NULL, on_end INTEGER NOT NULL,"
	"  then_end INTEGER NOT NULL, settled INTEGER NOT NULL, moved INTEGER NOT NULL,"
	"  by TEXT NOT NULL, tries INTEGER NOT NULL, letter_due INTEGER NOT NULL,"
	"  letter_tries INTEGER NOT NULL, letter_sent INTEGER NOT NULL) STRICT;"
	"CREATE INDEX hold_due ON hold (node, due) WHERE due <> 0;"
	"CREATE INDEX hold_letter_due ON hold (node, letter_due) WHERE letter_due <> 0;"
	"CREATE INDEX hold_act ON hold (act, created);"
	"CREATE INDEX hold_created ON hold (created, id);"
	"CREATE INDEX hold_open ON hold (created, id) WHERE settled = 0;"
	"CREATE INDEX hold_settled ON hold (settled) WHERE settled <> 0;"
	"CREATE TABLE part ("
	"  hold_id TEXT NOT NULL, queue_id TEXT NOT NULL, state INTEGER NOT NULL,"
	"  created INTEGER NOT NULL, lesson BLOB NOT NULL,"
	"  UNIQUE (hold_id, queue_id)) STRICT;"
	"CREATE TABLE token ("
	"  hash BLOB PRIMARY KEY NOT NULL, hold_id TEXT NOT NULL, expires INTEGER NOT NULL)"
	"  STRICT, WITHOUT ROWID;"
	"CREATE INDEX token_hold ON token (hold_id);",
	/* 2: the storm brake */
	"ALTER TABLE hold ADD COLUMN storm TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE hold ADD COLUMN author TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE hold ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX hold_storm ON hold (storm, sender) WHERE storm <> '';"
	"CREATE TABLE storm ("
	"  id TEXT PRIMARY KEY NOT NULL, node TEXT NOT NULL, topic BLOB NOT NULL,"
	"  list TEXT NOT NULL, owner TEXT NOT NULL, subject TEXT NOT NULL,"
	"  language TEXT NOT NULL, state INTEGER NOT NULL, people INTEGER NOT NULL,"
	"  answers INTEGER NOT NULL, answerers INTEGER NOT NULL, started INTEGER NOT NULL,"
	"  until INTEGER NOT NULL, span INTEGER NOT NULL, on_end INTEGER NOT NULL,"
	"  ended INTEGER NOT NULL, by TEXT NOT NULL, letter_due INTEGER NOT NULL,"
	"  letter_tries INTEGER NOT NULL, letter_sent INTEGER NOT NULL) STRICT;"
	"CREATE INDEX storm_topic ON storm (topic, until);"
	"CREATE INDEX storm_open ON storm (until) WHERE until <> 0;"
	"CREATE INDEX storm_letter_due ON storm (node, letter_due) WHERE letter_due <> 0;"
	"CREATE TABLE answer ("
	"  topic BLOB NOT NULL, message BLOB NOT NULL, act BLOB NOT NULL,"
	"  sender BLOB NOT NULL, time INTEGER NOT NULL,"
	"  PRIMARY KEY (topic, message)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX answer_message ON answer (message);"
	"CREATE INDEX answer_time ON answer (time);",
	/* 3: letters in a site's own words */
	"ALTER TABLE hold ADD COLUMN template TEXT NOT NULL DEFAULT '';",
	/* 4: addresses as they were written */
	"ALTER TABLE hold ADD COLUMN mailbox TEXT NOT NULL DEFAULT '';",
	/* 5: mail that comes back to its author by a letter; who stands in its From */
	"ALTER TABLE hold ADD COLUMN return_due INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN return_tries INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN return_how INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN from_address TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE hold ADD COLUMN undone_by TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE part ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX hold_return_due ON hold (node, return_due) WHERE return_due <> 0;"
	"CREATE INDEX hold_letter_sent ON hold (sender, letter_sent)"
	" WHERE letter_sent <> 0;"
	/* what was on its way back (HOLD_RETURNING) goes on by a letter */
	"UPDATE hold SET return_due = 1 WHERE state = 6;"
	/* what must be done apart from what is only looked at, and what the queue showed */
	"ALTER TABLE hold ADD COLUMN timer INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN how INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN left_at INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN announce INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE part ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;"
	"DROP INDEX hold_due;"
	"CREATE INDEX hold_timer ON hold (node, timer) WHERE timer <> 0;"
	"CREATE INDEX hold_due ON hold (node, seen <> 0, due) WHERE due <> 0;"
	"UPDATE hold SET timer = CASE WHEN deadline <> 0 THEN deadline ELSE due END"
	"  WHERE settled = 0;"
	/* who was being released or returned has been asked already */
	"UPDATE part SET asked = 1 WHERE hold_id IN"
	"  (SELECT id FROM hold WHERE settled = 0 AND deadline = 0);"
	/* what was limited, who has it already, several mails in one hold, who answered */
	"ALTER TABLE hold ADD COLUMN limited_by TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE hold ADD COLUMN left_count INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN left_to TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE part ADD COLUMN mail INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE storm ADD COLUMN answered_by TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE answer ADD COLUMN person TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE answer ADD COLUMN forget INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX answer_forget ON answer (forget) WHERE forget <> 0;"
	"CREATE INDEX hold_of_sender ON hold (sender, created) WHERE storm = '';"
	"CREATE INDEX hold_unlimited ON hold (created, sender)"
	" WHERE storm = '' AND limited_by = '';",
	/* 6: to whom the MTA's own bounce goes; of what is held already it is not known */
	"ALTER TABLE hold ADD COLUMN bounces_home INTEGER NOT NULL DEFAULT 0;",
	/* 7: the holds of the whole site are kept by the minute, not counted */
	"DROP INDEX hold_unlimited;"
	"CREATE INDEX hold_unlimited ON hold (sender, created)"
	" WHERE storm = '' AND limited_by = '';"
	"CREATE TABLE budget ("
	"  minute INTEGER PRIMARY KEY NOT NULL, holds INTEGER NOT NULL) STRICT;"
	"INSERT INTO budget (minute, holds) SELECT created / 60000, count(*) FROM hold"
	"  WHERE storm = '' AND limited_by = '' GROUP BY created / 60000;",
	/* 8: looks that a page asks for, and several letters about one hold */
	"ALTER TABLE hold ADD COLUMN look_asked INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN letters INTEGER NOT NULL DEFAULT 0;"
	"UPDATE hold SET letters = 1 WHERE letter_sent <> 0;",
};
