// SPDX-License-Identifier: GPL-2.0-only
//
// drivers/net/ethernet/intel/e100.c: the work that resets a transmitter that hangs.
//
// files:        drivers/net/ethernet/intel/e100.c drivers/net/mii.c
// modules:      mii e100
// device:       i82557b
// late:         free active .* hint: e100_tx_timeout_task
// rtnl:         KASAN: .*use-after-free in e100_tx_timeout_task
// close:        nothing
// suspend-late: provoke: .* is suspended, and nobody else gets RTNL & Workqueue: .* e100_tx_timeout_task
// suspend-rtnl: provoke: .* is suspended, and nobody else gets RTNL & Workqueue: .* e100_tx_timeout_task
// besides:      recover shutdown
// lines:        +46 -8
// calls:        bgtoken_cancel 2, bgtoken_pause 2, bgtoken_resume 2, bgtoken_queue_work 2
// calls:        scoped_bgtoken 1
// calls:        devm_bgtoken_create 1, devm_bgtoken_work_create 1
// calls:        bgtoken_wq_create 1, bgtoken_wq_destroy 2
//
// The work is part of what remove frees, and nobody cancels it: one that is pending, or waits
// for RTNL, outlives the memory that it is in. A cancel_work_sync() would do as well, but only
// after unregister_netdev(), up to which the work may still be queued, and not under RTNL, which
// it takes. The cancel of a token may come first: what would queue the work later is refused.
//
// And it runs across a suspend, in which netif_running() stays true: e100_down() waits in
// napi_disable() for the resume to enable it, and meanwhile has RTNL. With a token suspend and
// error recovery pause it. A reset that this drops is not queued again: the resume initialises
// the card, as the reset would.

@@
@@
 #include <linux/rtnetlink.h>
+#include "bgtoken.h"

@@
@@
 struct nic {
	...
-	struct work_struct tx_timeout_task;
+	struct bgtoken *token;
+	struct bgtoken_work *tx_timeout_task;
	...
 };

// What the work does of its own; RTNL is outside of its scope.
@@
iterator name scoped_bgtoken;
symbol nic, tx_timeout_task;
identifier work;
@@
-static void e100_tx_timeout_task(struct work_struct *work)
+static void e100_reset(struct nic *nic)
 {
-	struct nic *nic = container_of(work, struct nic, tx_timeout_task);
	...
-	rtnl_lock();
	...
-	rtnl_unlock();
 }
+
+static void e100_tx_timeout_task(struct bgtoken_work *work)
+{
+	rtnl_lock();
+	scoped_bgtoken(work->token, struct nic *, nic)
+		e100_reset(nic);
+	rtnl_unlock();
+}

@@
symbol nic;
@@
-schedule_work(&nic->tx_timeout_task)
+bgtoken_queue_work(e100_wq, nic->tx_timeout_task)

@@
symbol nic, tx_timeout_task, e100_tx_timeout_task;
identifier pdev, ent;
@@
 static int e100_probe(struct pci_dev *pdev, const struct pci_device_id *ent)
 {
	<...
-	INIT_WORK(&nic->tx_timeout_task, e100_tx_timeout_task);
+	nic->token = devm_bgtoken_create(&pdev->dev, nic, BGTOKEN_MUTEX);
+	if (IS_ERR(nic->token)) {
+		err = PTR_ERR(nic->token);
+		goto err_out_iounmap;
+	}
+	nic->tx_timeout_task = devm_bgtoken_work_create(&pdev->dev, nic->token,
+							e100_tx_timeout_task);
+	if (IS_ERR(nic->tx_timeout_task)) {
+		err = PTR_ERR(nic->tx_timeout_task);
+		goto err_out_iounmap;
+	}
	...>
 }

// Where remove begins, and where a probe fails that has registered.
@@
symbol nic, netdev;
@@
+bgtoken_cancel(nic->token);
 unregister_netdev(netdev);

// A suspended card is not reset. A resume that fails early leaves it paused: there is no card.
@@
symbol nic, netdev;
@@
 netif_device_detach(netdev);
+bgtoken_pause(nic->token);

@@
symbol nic, netdev;
@@
 static int e100_resume(...)
 {
	...
	netif_device_attach(netdev);
+	bgtoken_resume(nic->token);
	...
 }

@@
symbol nic, netdev;
@@
 static void e100_io_resume(...)
 {
	...
	if (netif_running(netdev)) {
		...
	}
+	bgtoken_resume(nic->token);
 }

// The module's workqueue: a work is gone when its module is, whoever unbinds when.
@@
@@
+static struct bgtoken_wq *e100_wq;
+
 struct nic {
	...
 };

@@
symbol e100_driver;
@@
 static int e100_init_module(void)
 {
+	int err;
+
	...
-	return pci_register_driver(&e100_driver);
+	e100_wq = bgtoken_wq_create(DRV_NAME, 0, 0);
+	if (IS_ERR(e100_wq))
+		return PTR_ERR(e100_wq);
+	err = pci_register_driver(&e100_driver);
+	if (err)
+		bgtoken_wq_destroy(e100_wq);
+	return err;
 }

@@
symbol e100_driver;
@@
	pci_unregister_driver(&e100_driver);
+	bgtoken_wq_destroy(e100_wq);
