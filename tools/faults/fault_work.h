/* SPDX-License-Identifier: GPL-2.0-only */
/* A work that is queued on a workqueue of its own, for faults in those who flush. */
#ifndef _BGTOKEN_FAULT_WORK_H
#define _BGTOKEN_FAULT_WORK_H

#include <kunit/test.h>
#include <linux/slab.h>

#include "bgtoken.h"

struct fault_work {
	struct bgtoken *token;
	struct bgtoken_wq *wq;
	struct bgtoken_work *work;
};

static inline struct fault_work fault_work_queue(struct kunit *test,
						 void (*fn)(struct bgtoken_work *work))
{
	struct fault_work w = {
		.token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL),
		.wq = bgtoken_wq_create("fault", WQ_UNBOUND, 0),
		.work = kzalloc(sizeof(*w.work), GFP_KERNEL),
	};

	KUNIT_ASSERT_FALSE(test, IS_ERR(w.token));
	KUNIT_ASSERT_FALSE(test, IS_ERR(w.wq));
	KUNIT_ASSERT_NOT_NULL(test, w.work);
	bgtoken_work_init(w.work, w.token, fn, NULL);	/* put in fault_work_end() */
	bgtoken_queue_work(w.wq, w.work);
	return w;
}

static inline void fault_work_end(struct fault_work *w)
{
	bgtoken_work_put(w->work);
	bgtoken_wq_destroy(w->wq);
	bgtoken_put(w->token);
}

#endif /* _BGTOKEN_FAULT_WORK_H */
