/* SPDX-License-Identifier: MIT */
/* evpoll-bench trips CONTENDER CONNECTIONS BYTES ROUNDS: echo, and nothing measured.
 * evpoll-bench full|quick|check FOLDER [GROUP]: a Markdown table on standard output, bench.json in
 * the folder, which also takes the files that are read and written. See README.md. */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

static bool wanted(const char *group, const char *only) { return !only || !strcmp(group, only); }

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    struct effort effort;
  } efforts[] = {{"full", {5e6, 9e9, 9, 51}},
                 {"quick", {1.5e6, 0.8e9, 5, 15}},
                 {"check", {0.1e6, 0.02e9, 1, 3}}};
  if (argc == 6 && strcmp(argv[1], "trips") == 0)
    return echo_alone(argv[2], atoi(argv[3]), atoi(argv[4]), atol(argv[5])) ? 0 : 2;
  for (int i = 0; i < 3 && argc >= 3; i++)
    if (strcmp(efforts[i].name, argv[1]) == 0) effort = efforts[i].effort;
  if (!effort.most) {
    fprintf(stderr, "usage: evpoll-bench full|quick|check FOLDER [GROUP]\n");
    return 2;
  }
  const char *only = argv[3];
  char versions[200];
  snprintf(versions, sizeof versions, "libuv %s, libevent %s, libev %s, Asio %s", version_uv(),
           version_event(), version_ev(), version_asio());
  report_begin(argv[2], versions);
  if (wanted("readiness", only)) readiness_rows();
  if (wanted("oneshot", only)) oneshot_rows();
  if (wanted("changes", only)) changes_rows();
  if (wanted("calls", only)) calls_rows();
  if (wanted("threads", only)) threads_rows();
  if (wanted("memory", only)) memory_rows();
  if (wanted("files", only)) files_rows(argv[2]);
  if (wanted("echo", only)) echo_rows();
  if (wanted("accepts", only)) accepts_rows();
  if (wanted("timers", only)) timers_rows();
  if (wanted("appends", only)) appends_rows(argv[2]);
  if (wanted("neighbours", only)) neighbours_rows(argv[2]);
  if (wanted("delays", only)) delays_rows(argv[2]);
  if (wanted("wakes", only)) wakes_rows(); /* last: libevent gets its locks there */
  report_end();
  return 0;
}
