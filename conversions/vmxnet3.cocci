// SPDX-License-Identifier: GPL-2.0-only
//
// drivers/net/vmxnet3: the work that resets a device that hangs.
//
// files:        drivers/net/vmxnet3/*.[ch]
// modules:      vmxnet3
// device:       vmxnet3
// late:         free active .* hint: vmxnet3_reset_work
// rtnl:         Workqueue: .* vmxnet3_reset_work & INFO: task kworker.* blocked for more than
// close:        Workqueue: .* vmxnet3_reset_work & INFO: task kworker.* blocked for more than
// suspend-late: provoke: .* is suspended, and nobody else gets RTNL & Workqueue: .* vmxnet3_reset_work
// suspend-rtnl: provoke: .* is suspended, and nobody else gets RTNL & Workqueue: .* vmxnet3_reset_work
// lines:        +49 -15
// calls:        bgtoken_cancel 1, bgtoken_pause 2, bgtoken_resume 3, bgtoken_queue_work 2
// calls:        scoped_bgtoken 1
// calls:        devm_bgtoken_create 1, devm_bgtoken_work_create 1
// calls:        bgtoken_wq_create 1, bgtoken_wq_destroy 2
//
// The work is cancelled by remove, too early: until unregister_netdev() the watchdog of the
// transmit queues, and the device, may queue it again, and it outlives the memory that it is
// in. And it takes a bit, VMXNET3_STATE_BIT_RESETTING, and then RTNL, while close, and a change
// of the MTU, wait for the bit under RTNL: a deadlock that lockdep cannot see.
//
// It also runs across a suspend, in which netif_running() stays true: vmxnet3_quiesce_dev() waits
// in napi_disable() for the resume to enable it, and meanwhile has RTNL; and then takes the rings
// from a device that it stopped before, and that the resume has started again.
//
// With a token the work takes RTNL first, as all others do, and its owner afterwards. Suspend and
// shutdown pause it. A reset that this drops is not queued again: the resume resets the device,
// and, as its comment has it, no reset can run meanwhile.

@@
@@
 #include <linux/bpf.h>
+#include "bgtoken.h"

@@
@@
 struct vmxnet3_adapter {
	...
-	struct work_struct work;
+	struct bgtoken *token;
+	struct bgtoken_work *work;
	...
 };

@@
symbol vmxnet3_driver_name;
@@
 char vmxnet3_driver_name[] = "vmxnet3";
+static struct bgtoken_wq *vmxnet3_wq;

// What the work does of its own; RTNL is outside of its scope.
@@
iterator name scoped_bgtoken;
symbol adapter, work;
identifier data;
@@
-static void vmxnet3_reset_work(struct work_struct *data)
+static void vmxnet3_reset(struct vmxnet3_adapter *adapter)
 {
-	struct vmxnet3_adapter *adapter;
-
-	adapter = container_of(data, struct vmxnet3_adapter, work);
-
	...
-	rtnl_lock();
	...
-	rtnl_unlock();
	...
 }
+
+static void vmxnet3_reset_work(struct bgtoken_work *work)
+{
+	rtnl_lock();
+	scoped_bgtoken(work->token, struct vmxnet3_adapter *, adapter)
+		vmxnet3_reset(adapter);
+	rtnl_unlock();
+}

@@
symbol adapter, work;
@@
-schedule_work(&adapter->work)
+bgtoken_queue_work(vmxnet3_wq, adapter->work)

@@
symbol adapter, work, vmxnet3_reset_work;
identifier pdev, id;
@@
 static int vmxnet3_probe_device(struct pci_dev *pdev, const struct pci_device_id *id)
 {
	<...
-	INIT_WORK(&adapter->work, vmxnet3_reset_work);
+	adapter->token = devm_bgtoken_create(&pdev->dev, adapter, BGTOKEN_MUTEX);
+	if (IS_ERR(adapter->token)) {
+		err = PTR_ERR(adapter->token);
+		goto err_register;
+	}
+	adapter->work = devm_bgtoken_work_create(&pdev->dev, adapter->token,
+						 vmxnet3_reset_work);
+	if (IS_ERR(adapter->work)) {
+		err = PTR_ERR(adapter->work);
+		goto err_register;
+	}
	...>
 }

@@
symbol adapter, work;
@@
-	cancel_work_sync(&adapter->work);
+	bgtoken_cancel(adapter->token);

// A suspended device is not reset. An interface that is down was not paused, or has gone down
// since. A resume that fails early leaves it paused: there is no device.
@@
symbol adapter, netdev;
@@
 static int vmxnet3_suspend(...)
 {
	...
	if (!netif_running(netdev))
		return 0;
+
+	bgtoken_pause(adapter->token);
	...
 }

@@
symbol adapter, netdev;
@@
 static int vmxnet3_resume(...)
 {
	<...
(
-	if (!netif_running(netdev))
+	if (!netif_running(netdev)) {
+		bgtoken_resume(adapter->token);
		return 0;
+	}
|
	vmxnet3_force_close(adapter);
+	bgtoken_resume(adapter->token);
|
	netif_device_attach(netdev);
+	bgtoken_resume(adapter->token);
)
	...>
 }

@@
symbol adapter;
@@
 static void vmxnet3_shutdown_device(...)
 {
	...
	unsigned long flags;
+
+	bgtoken_pause(adapter->token);
	...
 }

// The module's workqueue: a work is gone when its module is, whoever unbinds when.
@@
symbol vmxnet3_driver;
@@
 static int vmxnet3_init_module(void)
 {
+	int err;
+
	...
-	return pci_register_driver(&vmxnet3_driver);
+	vmxnet3_wq = bgtoken_wq_create(vmxnet3_driver_name, 0, 0);
+	if (IS_ERR(vmxnet3_wq))
+		return PTR_ERR(vmxnet3_wq);
+	err = pci_register_driver(&vmxnet3_driver);
+	if (err)
+		bgtoken_wq_destroy(vmxnet3_wq);
+	return err;
 }

@@
symbol vmxnet3_driver;
@@
	pci_unregister_driver(&vmxnet3_driver);
+	bgtoken_wq_destroy(vmxnet3_wq);
