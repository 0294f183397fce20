// SPDX-License-Identifier: MIT
package org.evpoll.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.file.Path;
import java.util.concurrent.Future;
import org.evpoll.Buffers;
import org.evpoll.Events;
import org.evpoll.Handles;
import org.evpoll.Interest;
import org.evpoll.Mode;
import org.evpoll.Operations;
import org.evpoll.Poller;

/** Reads from a file in the page cache: a batch is started, and then waited for. */
final class Reads implements AutoCloseable {
  private static final int BLOCK = 4096;

  private final int n;
  private final long file;
  private final long handFile;
  private final ByteBuffer[] buffers;
  private final Poller poller = Poller.open();
  private final Events events;
  private final Operations operations;
  private final long hand = Hand.open();
  private final ByteBuffer handEvents;
  private final ByteBuffer handIos;
  private final long[] addresses;
  private final long eventsAddress;
  private final long iosAddress;
  private final AsynchronousFileChannel channel;
  private final Future<?>[] futures;

  Reads(Path path, int n) throws Exception {
    this.n = n;
    file = Handles.open(path.toString());
    handFile = Handles.open(path.toString());
    poller.add(file, 0, Interest.NONE, Mode.OPERATIONS);
    Hand.addFile(hand, handFile);
    channel = AsynchronousFileChannel.open(path);
    events = new Events(n);
    operations = new Operations(n);
    buffers = new ByteBuffer[n];
    addresses = new long[n];
    futures = new Future<?>[n];
    for (int i = 0; i < n; i++) {
      buffers[i] = ByteBuffer.allocateDirect(BLOCK + 4095).alignedSlice(4096);
      addresses[i] = Hand.address(buffers[i]);
    }
    handEvents = ByteBuffer.allocateDirect(n * 32).order(ByteOrder.nativeOrder());
    handIos = ByteBuffer.allocateDirect(n * 64).order(ByteOrder.nativeOrder());
    eventsAddress = Hand.address(handEvents);
    iosAddress = Hand.address(handIos);
  }

  long ours() throws Exception {
    long sum = 0;
    operations.clear();
    for (int i = 0; i < n; i++) operations.read(file, (long) i * BLOCK, buffers[i], i);
    require(poller.submit(operations));
    for (int seen = 0; seen < n;) {
      int got = poller.waitFor(events, -1L);
      for (int i = 0; i < got; i++) sum += events.token(i) + events.result(i);
      seen += got;
    }
    return sum;
  }

  long hand() {
    long sum = 0;
    for (int i = 0; i < n; i++) {
      int at = i * 64;
      handIos.putLong(at, i).putLong(at + 8, handFile).putLong(at + 16, (long) i * BLOCK);
      handIos.putLong(at + 24, addresses[i]).putLong(at + 32, BLOCK).putLong(at + 40, 0);
      handIos.putInt(at + 48, 1).putInt(at + 52, 0).putInt(at + 56, 0).putInt(at + 60, 0);
    }
    require(Hand.submit(hand, iosAddress, n));
    for (int seen = 0; seen < n;) {
      int got = Hand.wait(hand, eventsAddress, n, -1);
      for (int i = 0; i < got; i++)
        sum += handEvents.getLong(i * 32) + handEvents.getLong(i * 32 + 16);
      seen += got;
    }
    return sum;
  }

  long channel() throws Exception {
    long sum = 0;
    for (int i = 0; i < n; i++) futures[i] = channel.read(buffers[i].clear(), (long) i * BLOCK);
    for (int i = 0; i < n; i++) sum += (Integer) futures[i].get();
    for (int i = 0; i < n; i++) buffers[i].clear();
    return sum;
  }

  private void require(int accepted) {
    if (accepted != n) throw new IllegalStateException(accepted + " of " + n);
  }

  @Override
  public void close() throws IOException {
    poller.close();
    channel.close();
    Handles.close(file);
    Handles.close(handFile);
  }
}
