// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The file operations of a loop: queued while events are handled, started together before the next
 * wait. What the poller has no room for stays queued until a completion makes some.
 */
final class FileQueue {
  private static final int BATCH = 64;

  private final Poller poller;
  private final ArrayDeque<Operation> queue = new ArrayDeque<>();
  private final Table<Operation> running = new Table<>();
  private final Set<Operation> pending = ConcurrentHashMap.newKeySet();
  private final Operations singles = new Operations(BATCH);
  private Operations blocks = new Operations(BATCH);
  private boolean full;

  FileQueue(Poller poller) {
    this.poller = poller;
  }

  void add(Operation operation) {
    pending.add(operation);
    queue.add(operation);
  }

  boolean isEmpty() {
    return queue.isEmpty() && running.size() == 0;
  }

  /** What is not over yet, for any thread. */
  List<String> names() {
    List<String> names = new ArrayList<>();
    for (Operation operation : pending) names.add(operation.toString());
    return names;
  }

  void submit() {
    while (!queue.isEmpty() && !full) {
      if (queue.peek().code == Operation.LIST) submitList(queue.peek());
      else submitSingles();
    }
  }

  private void submitSingles() {
    singles.clear();
    for (Operation operation : queue) {
      if (operation.code == Operation.LIST || singles.count() == BATCH) break;
      operation.token = running.add(operation);
      operation.put(singles);
    }
    int n = singles.count();
    int accepted = 0;
    Status reason;
    try {
      accepted = poller.submit(singles);
      reason = accepted < n ? singles.status(accepted) : Status.OK;
    } catch (EvpollException e) {
      reason = e.status();
    }
    for (int i = 0; i < accepted; i++) {
      Operation operation = queue.poll();
      operation.id = singles.id(i);
      operation.queued = false;
      operation.file.submitted();
    }
    int left = n - accepted;
    for (Operation operation : queue) {
      if (left-- == 0) break;
      running.remove(operation.token);
    }
    if (accepted < n) refused(reason);
  }

  private void submitList(Operation list) {
    int entries = list.entries();
    if (blocks.capacity() < entries) blocks = new Operations(entries);
    blocks.clear();
    list.putBlocks(blocks);
    list.token = running.add(list);
    try {
      list.id = poller.submitList(blocks, list.token);
      list.queued = false;
      queue.poll();
      list.file.submitted();
    } catch (EvpollException e) {
      running.remove(list.token);
      refused(e.status());
    }
  }

  private void refused(Status reason) {
    // Only a completion makes room: without one in flight nobody would come back here.
    full = reason == Status.AGAIN && running.size() > 0;
    if (full) return;
    Operation operation = queue.poll();
    end(operation);
    operation.file.submitted();
    operation.fail(new EvpollException(reason, 0, operation.toString()));
  }

  void finished(long token, long id, Status status, long result) {
    Operation operation = running.get(token);
    running.remove(token);
    full = false;
    end(operation);
    if (operation.code == Operation.LIST) finishList(operation, id);
    else if (status == Status.OK) operation.complete((int) result);
    else operation.fail(new EvpollException(status, (int) result, operation.toString()));
  }

  private void finishList(Operation list, long id) {
    IoResults results = new IoResults(list.entries());
    try {
      poller.takeList(id, results);
      list.list.complete(results);
    } catch (EvpollException e) {
      list.fail(e);
    }
  }

  void cancel(Operation operation) {
    if (!pending.contains(operation)) return;
    if (operation.queued) {
      queue.remove(operation);
      end(operation);
      operation.file.submitted();
      operation.fail(new EvpollException(Status.CANCELLED, 0, operation.toString()));
      return;
    }
    try {
      poller.cancel(operation.id);
    } catch (EvpollException e) {
      // It has finished: its event is on the way.
    }
  }

  void cancelAll() {
    for (Operation operation : pending.toArray(new Operation[0])) cancel(operation);
  }

  /** The loop could not go on: whoever waits for an operation would wait for ever. */
  void abandon() {
    for (Operation operation : pending)
      operation.fail(new EvpollException(Status.SHUTDOWN, 0, operation.toString()));
    pending.clear();
  }

  private void end(Operation operation) {
    pending.remove(operation);
  }
}
