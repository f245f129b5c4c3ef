// SPDX-License-Identifier: GPL-2.0-only
//
// drivers/net/ethernet/intel/e1000: three works of an interface that is up, and the work that
// resets it.
//
// files:        drivers/net/ethernet/intel/e1000/*.[ch]
// modules:      e1000
// device:       e1000
// late:         nothing
// rtnl:         nothing
// close:        nothing
// suspend-late: nothing
// besides:      recover shutdown
// lines:        +118 -61
// calls:        bgtoken_cancel 2, bgtoken_cancel_work 1, bgtoken_pause 5, bgtoken_resume 5
// calls:        bgtoken_queue_work 2, bgtoken_queue_delayed_work 6, scoped_bgtoken 4
// calls:        devm_bgtoken_create 2, devm_bgtoken_work_create 1, devm_bgtoken_delayed_work_create 3
// calls:        bgtoken_wq_create 1, bgtoken_wq_destroy 2
//
// The original is right, but for a window at suspend, by two bits: __E1000_DOWN, which whoever
// queues a work tests first, and __E1000_RESETTING, lest the reset, which takes the interface
// down, wait for itself. A reset that is pending is cancelled by suspend; it does not take RTNL, so
// there is no "suspend-rtnl". With tokens, one of an interface that is up is paused by e1000_down()
// and refuses what comes later; the reset has another, of the adapter, which close and suspend
// pause. Remove cancels both.

@@
@@
 #include "e1000_hw.h"
+#include "bgtoken.h"

@@
@@
 struct e1000_adapter {
	...
-	struct work_struct reset_task;
+	struct bgtoken *token;
+	struct bgtoken_work *reset_task;
+	struct bgtoken *up;
	...
 };

@@
identifier task;
@@
 struct e1000_adapter {
	...
-	struct delayed_work task;
+	struct bgtoken_delayed_work *task;
	...
 };

// What the works do of their own, and what the workqueue calls. Coccinelle gives the
// prototypes the new names, too.
@run@
symbol adapter, work;
identifier fn = {e1000_watchdog, e1000_update_phy_info_task, e1000_82547_tx_fifo_stall_task,
		 e1000_reset_task};
identifier member, task;
fresh identifier body = "__" ## fn;
@@
-static void fn(struct work_struct *work)
+static void body(struct e1000_adapter *adapter)
 {
(
-	struct e1000_adapter *adapter = container_of(work, struct e1000_adapter, member.task);
|
-	struct e1000_adapter *adapter = container_of(work, struct e1000_adapter, member);
)
	...
 }

@@
iterator name scoped_bgtoken;
symbol adapter;
identifier run.fn, run.body;
@@
 static void body(...)
 {
	...
 }
+
+static void fn(struct bgtoken_work *work)
+{
+	scoped_bgtoken(work->token, struct e1000_adapter *, adapter)
+		body(adapter);
+}

// A paused token refuses them, who queues them need not look.
@@
symbol adapter, __E1000_DOWN;
@@
(
-if (!test_bit(__E1000_DOWN, &adapter->flags))
	schedule_delayed_work(...);
|
 if (...) { ... }
 else
-	if (!test_bit(__E1000_DOWN, &adapter->flags))
 {
	schedule_delayed_work(...);
 }
)

@@
symbol adapter;
identifier task = {watchdog_task, phy_info_task, fifo_stall_task};
@@
-schedule_delayed_work(&adapter->task,
+bgtoken_queue_delayed_work(e1000_wq, adapter->task,
	...)

@@
symbol adapter, reset_task;
@@
-schedule_work(&adapter->reset_task)
+bgtoken_queue_work(e1000_wq, adapter->reset_task)

@@
symbol adapter, watchdog_task, phy_info_task, fifo_stall_task, reset_task;
@@
 static void e1000_down_and_stop(struct e1000_adapter *adapter)
 {
	...
-	cancel_delayed_work_sync(&adapter->watchdog_task);
+	bgtoken_pause(adapter->up);
+	bgtoken_cancel_work(adapter->reset_task);
-	cancel_delayed_work_sync(&adapter->phy_info_task);
-	cancel_delayed_work_sync(&adapter->fifo_stall_task);
-	if (!test_bit(__E1000_RESETTING, &adapter->flags))
-		cancel_work_sync(&adapter->reset_task);
 }

@@
symbol adapter;
@@
 clear_bit(__E1000_DOWN, &adapter->flags);
+bgtoken_resume(adapter->up);

// Who closes waits for a reset, and there is none before the next open.
@@
symbol adapter, count;
@@
 e1000_close(...)
 {
	...
	int count = E1000_CHECK_RESET_COUNT;
+
+	bgtoken_pause(adapter->token);
	...
 }

@@
symbol adapter, netdev;
@@
 e1000_open(...)
 {
	...
+	bgtoken_resume(adapter->token);
	netif_start_queue(netdev);
	...
 }

// A suspended device is not reset: a reset would take it up again. The resume does what one does,
// and comes to its end first: that wakes the queues, which a reset stops. Where the interface is
// down, the pause is that of close, too.
@@
symbol adapter, netdev;
@@
 netif_device_detach(netdev);
+bgtoken_pause(adapter->token);

@@
symbol adapter, netdev;
@@
 netif_device_attach(netdev);
+if (netif_running(netdev))
+	bgtoken_resume(adapter->token);

@@
symbol adapter;
@@
 static void e1000_remove(...)
 {
	...
-	e1000_down_and_stop(adapter);
+	set_bit(__E1000_DOWN, &adapter->flags);
+	bgtoken_cancel(adapter->token);
+	bgtoken_cancel(adapter->up);
	...
 }

@@
symbol adapter, watchdog_task, phy_info_task, fifo_stall_task, reset_task;
symbol e1000_watchdog, e1000_82547_tx_fifo_stall_task, e1000_update_phy_info_task;
symbol e1000_reset_task;
@@
-	INIT_DELAYED_WORK(&adapter->watchdog_task, e1000_watchdog);
-	INIT_DELAYED_WORK(&adapter->fifo_stall_task, e1000_82547_tx_fifo_stall_task);
-	INIT_DELAYED_WORK(&adapter->phy_info_task, e1000_update_phy_info_task);
-	INIT_WORK(&adapter->reset_task, e1000_reset_task);
+	err = e1000_create_works(adapter);
+	if (err)
+		goto err_eeprom;

@@
identifier pdev, ent;
@@
+static void e1000_watchdog(struct bgtoken_work *work);
+static void e1000_update_phy_info_task(struct bgtoken_work *work);
+static void e1000_82547_tx_fifo_stall_task(struct bgtoken_work *work);
+static void e1000_reset_task(struct bgtoken_work *work);
+
+static int e1000_create_works(struct e1000_adapter *adapter)
+{
+	struct device *dev = &adapter->pdev->dev;
+
+	adapter->token = devm_bgtoken_create(dev, adapter, BGTOKEN_MUTEX);
+	if (IS_ERR(adapter->token))
+		return PTR_ERR(adapter->token);
+	adapter->up = devm_bgtoken_create(dev, adapter, BGTOKEN_SHARED);
+	if (IS_ERR(adapter->up))
+		return PTR_ERR(adapter->up);
+	bgtoken_pause(adapter->up);
+	adapter->watchdog_task =
+		devm_bgtoken_delayed_work_create(dev, adapter->up, e1000_watchdog);
+	adapter->fifo_stall_task =
+		devm_bgtoken_delayed_work_create(dev, adapter->up, e1000_82547_tx_fifo_stall_task);
+	adapter->phy_info_task =
+		devm_bgtoken_delayed_work_create(dev, adapter->up, e1000_update_phy_info_task);
+	adapter->reset_task =
+		devm_bgtoken_work_create(dev, adapter->token, e1000_reset_task);
+	if (IS_ERR(adapter->watchdog_task) || IS_ERR(adapter->fifo_stall_task))
+		return -ENOMEM;
+	if (IS_ERR(adapter->phy_info_task) || IS_ERR(adapter->reset_task))
+		return -ENOMEM;
+	return 0;
+}
+
 static int e1000_probe(struct pci_dev *pdev, const struct pci_device_id *ent) { ... }

// The module's workqueue: a work is gone when its module is, whoever unbinds when.
@@
symbol e1000_driver_name;
@@
 char e1000_driver_name[] = "e1000";
+static struct bgtoken_wq *e1000_wq;

@@
identifier ret;
symbol e1000_driver;
@@
 static int e1000_init_module(void)
 {
	...
+	e1000_wq = bgtoken_wq_create(e1000_driver_name, 0, 0);
+	if (IS_ERR(e1000_wq))
+		return PTR_ERR(e1000_wq);
	ret = pci_register_driver(&e1000_driver);
+	if (ret)
+		bgtoken_wq_destroy(e1000_wq);
	...
 }

@@
symbol e1000_driver;
@@
	pci_unregister_driver(&e1000_driver);
+	bgtoken_wq_destroy(e1000_wq);
