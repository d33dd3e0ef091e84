/*
 * zone - records of the DNS in a table, as libspf2's zone layer serves them to a test
 */
#ifndef OOPS_TESTS_ZONE_H
#define OOPS_TESTS_ZONE_H

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <spf2/spf.h>
#include <spf2/spf_dns_zone.h>

struct zone_record {
	const char *name;
	const char *type; /* "A", "TXT" ...; "TIMEOUT": the rest is not answered */
	const char *data;
};

struct zone {
	const struct zone_record *records;
	size_t count;
};

/* The number of a type, -1 for one that SPF does not know. */
static inline int
zone_type(const char *word)
{
	static const struct {
		const char *word;
		int type;
	} types[] = { { "A", ns_t_a }, { "AAAA", ns_t_aaaa }, { "MX", ns_t_mx },
		{ "TXT", ns_t_txt }, { "PTR", ns_t_ptr }, { "TIMEOUT", ns_t_any } };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].word, word) == 0)
			return types[i].type;
	return -1;
}

/* An identity_dns_fn; context is a struct zone. */
static inline struct SPF_dns_server_struct *
zone_layer(void *context)
{
	const struct zone *zone = context;
	SPF_dns_server_t *layer = SPF_dns_zone_new(NULL, "zone", 0);
	size_t i;

	for (i = 0; layer != NULL && i < zone->count; i++) {
		const struct zone_record *record = &zone->records[i];
		int type = zone_type(record->type);

		if (type == ns_t_any)
			(void)SPF_dns_zone_add_str(layer, record->name, ns_t_any, TRY_AGAIN, NULL);
		else if (type >= 0 && SPF_dns_zone_add_str(layer, record->name, (ns_type)type,
					  NETDB_SUCCESS, record->data) != SPF_E_SUCCESS)
			abort();
	}
	return layer;
}

#endif
