/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/matching.h"

#include <regex.h>

#include "base/alloc.h"
#include "base/log.h"
#include "runtime/container.h"

int for_each_matching(const char *root, const char *expression,
	int (*act)(const char *root, const char *id, void *context, struct error *err), void *context,
	struct error *err)
{
	regex_t compiled;
	int code = regcomp(&compiled, expression, REG_EXTENDED | REG_NOSUB), result, last = 0;
	char **ids = NULL, words[256];

	if (code != 0) {
		(void)regerror(code, NULL, words, sizeof(words));
		return error_set(err, -EINVAL, "regular expression \"%s\": %s", expression, words);
	}
	result = container_list_ids(root, &ids, err);
	for (char **id = ids; id && *id; id++) {
		if (regexec(&compiled, *id, 0, NULL, 0) != 0)
			continue;
		if (last < 0)
			log_warning("%s", err->message);
		result = act(root, *id, context, err);
		last = result < 0 ? result : last;
	}
	free_strings(ids);
	regfree(&compiled);
	return last < 0 ? last : result;
}
