// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: scopes begun by the names for another kind, where the kernel goes on after a warning
 * caught by: the case, which says in the end that both were refused, and traced as such
 * text: two scopes were refused, and both tokens work
 * run: debug --suite fault_misnamed
 * run: rt --suite fault_misnamed
 */
#include <linux/module.h>

#include "bgtoken_trace.h"
#include "fault_warn.h"

struct refused {
	struct bgtoken *token;
	int misnamed;
};

static void probe_enter_refuse(void *data, struct bgtoken *token, int reason)
{
	struct refused *refused = data;

	if (token == READ_ONCE(refused->token) && reason == BGTOKEN_REFUSED_MISNAMED)
		refused->misnamed++;
}

/* It is not exported; a notifier is told of the modules that there are, and finds it. */
static struct tracepoint *refuse;

static int look_at_module(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = ((struct tp_module *)data)->mod;
	int i;

	for (i = 0; state == MODULE_STATE_COMING && i < mod->num_tracepoints; i++) {
		struct tracepoint *tracepoint = tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]);

		if (!strcmp(tracepoint->name, "bgtoken_enter_refuse"))
			refuse = tracepoint;
	}
	return NOTIFY_OK;
}

static struct notifier_block look = { .notifier_call = look_at_module };

static void misnamed(struct kunit *test)
{
	struct bgtoken *mutex = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken *spin = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);
	struct refused refused = { .token = spin };
	unsigned long flags;

	KUNIT_ASSERT_FALSE(test, IS_ERR(mutex));
	KUNIT_ASSERT_FALSE(test, IS_ERR(spin));
	fault_let_warnings_pass(test);
	KUNIT_ASSERT_EQ(test, register_tracepoint_module_notifier(&look), 0);
	unregister_tracepoint_module_notifier(&look);
	KUNIT_ASSERT_NOT_NULL(test, refuse);
	KUNIT_ASSERT_EQ(test, tracepoint_probe_register(refuse, probe_enter_refuse, &refused), 0);
	KUNIT_EXPECT_NULL(test, bgtoken_enter(spin));
	fault_expect_warned(test);
	KUNIT_EXPECT_EQ(test, refused.misnamed, 1);
	WRITE_ONCE(refused.token, mutex);
	KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave(mutex, flags));
	KUNIT_EXPECT_EQ(test, refused.misnamed, 2);
	tracepoint_probe_unregister(refuse, probe_enter_refuse, &refused);
	tracepoint_synchronize_unregister();
	fault_expect_token_works(test, mutex);
	fault_expect_token_works(test, spin);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "two scopes were refused, and both tokens work");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(misnamed),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_misnamed",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
