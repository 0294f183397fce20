// SPDX-License-Identifier: MIT
package org.evpoll;

import jdk.jfr.*;

/** What Flight Recorder gets; a Java without it (module jdk.jfr) has none. */
final class Recording {
  /** The callbacks of one turn of a loop. */
  @Name("org.evpoll.Callbacks")
  @Label("Callbacks of a turn")
  @Category("evpoll")
  @Description("What a loop has called in one turn, while everything else on it had to wait")
  @StackTrace(false)
  @Threshold("10 ms")
  static final class Callbacks extends Event {
    @Label("Loop")
    String loop;
    @Label("Operations ended")
    int ended;
    @Label("Operations under way")
    int underWay;
  }

  private static final EventType TYPE = find();

  private Recording() {}

  private static EventType find() {
    try {
      return EventType.getEventType(Callbacks.class);
    } catch (LinkageError e) {
      return null;
    }
  }

  /** Returns what the end is to be told; costs nothing while nobody records: null. */
  static Object begin() {
    if (TYPE == null || !TYPE.isEnabled()) return null;
    Callbacks event = new Callbacks();
    event.begin();
    return event;
  }

  static void end(Object begun, String loop, int ended, int underWay) {
    Callbacks event = (Callbacks) begun;
    event.loop = loop;
    event.ended = ended;
    event.underWay = underWay;
    event.commit();
  }
}
