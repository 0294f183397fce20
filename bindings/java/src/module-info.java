// SPDX-License-Identifier: MIT
/** One wait for everything: sockets, files and timers on one loop. */
module org.evpoll {
  requires static jdk.jfr;

  exports org.evpoll;
}
