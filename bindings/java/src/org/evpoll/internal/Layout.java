// SPDX-License-Identifier: MIT
package org.evpoll.internal;

/** Where the fields of the header's structs are. They are frozen for major version 1. */
public final class Layout {
  /** struct evpoll_event. */
  public static final int EVENT = 32;
  public static final int EVENT_TOKEN = 0;
  public static final int EVENT_OP = 8;
  public static final int EVENT_RESULT = 16;
  public static final int EVENT_EVENTS = 24;
  public static final int EVENT_STATUS = 28;

  /** struct evpoll_change. */
  public static final int CHANGE = 32;
  public static final int CHANGE_TOKEN = 0;
  public static final int CHANGE_HANDLE = 8;
  public static final int CHANGE_ACTION = 16;
  public static final int CHANGE_INTEREST = 20;
  public static final int CHANGE_MODE = 24;
  public static final int CHANGE_STATUS = 28;

  /** struct evpoll_io. */
  public static final int IO = 64;
  public static final int IO_TOKEN = 0;
  public static final int IO_HANDLE = 8;
  public static final int IO_OFFSET = 16;
  public static final int IO_BUFFER = 24;
  public static final int IO_LENGTH = 32;
  public static final int IO_OP = 40;
  public static final int IO_CODE = 48;
  public static final int IO_FLAGS = 52;
  public static final int IO_STATUS = 56;
  public static final int IO_RESERVED = 60;

  /** struct evpoll_result. */
  public static final int RESULT = 16;
  public static final int RESULT_RESULT = 0;
  public static final int RESULT_STATUS = 8;

  /** struct evpoll_options. */
  public static final int OPTIONS = 24;
  public static final int OPTIONS_STRUCT_SIZE = 0;
  public static final int OPTIONS_FLAGS = 4;
  public static final int OPTIONS_WAKE_TOKEN = 8;
  public static final int OPTIONS_IO_LIMIT = 16;
  public static final int OPTIONS_POOL_THREADS = 20;

  /** struct evpoll_stats. */
  public static final int STATS = 104;
  public static final int STATS_STRUCT_SIZE = 0;
  public static final int STATS_POOL_THREADS = 4;
  public static final int STATS_WAITS = 8;
  public static final int STATS_EVENTS = 16;
  public static final int STATS_WAKES = 24;
  public static final int STATS_POSTS = 32;
  public static final int STATS_SPURIOUS_RETURNS = 40;
  public static final int STATS_REARMS = 48;
  public static final int STATS_STALE_HITS = 56;
  public static final int STATS_SET_REBUILDS = 64;
  public static final int STATS_IO_SUBMITTED = 72;
  public static final int STATS_IO_COMPLETED = 80;
  public static final int STATS_IO_CANCELLED = 88;
  public static final int STATS_IO_IN_FLIGHT = 96;

  /** struct evpoll_info. */
  public static final int INFO = 40;
  public static final int INFO_STRUCT_SIZE = 0;
  public static final int INFO_VERSION = 4;
  public static final int INFO_FEATURES = 8;
  public static final int INFO_BACKEND = 12;
  public static final int INFO_IO_ENGINE = 16;
  public static final int INFO_OPEN_FLAGS = 20;
  public static final int INFO_IO_LIMIT = 24;
  public static final int INFO_POOL_THREADS = 28;
  public static final int INFO_IO_LENGTH_LIMIT = 32;

  private Layout() {}
}
