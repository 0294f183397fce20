/* SPDX-License-Identifier: MIT */
/* Markdown on standard output, a group at a time; JSON in a folder. */
#include "slices.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { MOST_LINES = 24, NAME = 80 };

struct line {
  char name[NAME];
  char base[NAME], base_name[NAME];
  char cells[MOST_SIDES + 1][NAME];
};

static FILE *json;
static struct {
  char name[NAME], heading[NAME];
  const char *text;
  char columns[MOST_SIDES + 1][NAME];
  int columns_count;
  struct line lines[MOST_LINES];
  int lines_count;
  bool has_base;
} group;
static bool first_row = true;
static int left_out;

static void copy(char *to, const char *from) { snprintf(to, NAME, "%s", from); }

/* The machine, in words: the kernel's name for the processor. */
static void processor(char *out) {
  char text[256];
  FILE *f = fopen("/proc/cpuinfo", "r");
  copy(out, "?");
  while (f && fgets(text, sizeof text, f)) {
    char *colon = strchr(text, ':');
    if (strncmp(text, "model name", 10) != 0 || !colon) continue;
    text[strcspn(text, "\n")] = 0;
    copy(out, colon + 2);
    break;
  }
  if (f) fclose(f);
}

void report_begin(const char *folder, const char *versions) {
  char path[4096], model[NAME], date[NAME];
  struct utsname u;
  const time_t t = time(NULL);
  snprintf(path, sizeof path, "%s/bench.json", folder);
  json = fopen(path, "w");
  if (!json) die(path);
  uname(&u);
  processor(model);
  strftime(date, sizeof date, "%Y-%m-%d", gmtime(&t));
  fprintf(json, "{\"kernel\": \"%s %s\", \"machine\": \"%s\", \"processor\": \"%s\", ", u.sysname,
          u.release, u.machine, model);
  fprintf(json, "\"date\": \"%s\", \"rows\": [", date);
  printf("%s %s on %s (%s, %ld processors), %s; %s\n", u.sysname, u.release, u.machine, model,
         sysconf(_SC_NPROCESSORS_ONLN), date, versions);
}

/* Where all rows have the same baseline its name is in the heading of its column. */
static bool same_base(void) {
  for (int i = 1; i < group.lines_count; i++)
    if (strcmp(group.lines[i].base_name, group.lines[0].base_name) != 0) return false;
  return true;
}

static void print_group(void) {
  if (!group.lines_count) return;
  const bool same = same_base();
  printf("\n### %s\n\n%s\n\n| |", group.heading, group.text);
  if (group.has_base) printf(" %s, ns |", same ? group.lines[0].base_name : "baseline");
  for (int c = 0; c < group.columns_count; c++) printf(" %s |", group.columns[c]);
  printf("\n|---|%s", group.has_base ? "---:|" : "");
  for (int c = 0; c < group.columns_count; c++) printf("---:|");
  printf("\n");
  for (int i = 0; i < group.lines_count; i++) {
    printf("| %s |", group.lines[i].name);
    if (group.has_base && !same) printf(" %s", group.lines[i].base_name);
    if (group.has_base) printf(" %s |", group.lines[i].base);
    for (int c = 0; c < group.columns_count; c++)
      printf(" %s |", group.lines[i].cells[c][0] ? group.lines[i].cells[c] : "–");
    printf("\n");
  }
  fflush(stdout);
  memset(&group, 0, sizeof group);
}

void report_group(const char *name, const char *heading, const char *text) {
  print_group();
  copy(group.name, name);
  copy(group.heading, heading);
  group.text = text;
}

static int column(const char *name) {
  for (int c = 0; c < group.columns_count; c++)
    if (strcmp(group.columns[c], name) == 0) return c;
  copy(group.columns[group.columns_count], name);
  return group.columns_count++;
}

static void put_json(const struct row *r, const char *unit, struct span base,
                     const struct figure *f, int n) {
  fprintf(json,
          "%s\n {\"group\": \"%s\", \"row\": \"%s\", \"x\": %g, \"unit\": ", first_row ? "" : ",",
          r->group, r->name, r->x);
  fprintf(json, unit ? "\"%s\", " : "null, ", unit);
  if (!unit)
    fprintf(
        json,
        "\"noise\": %.4f, \"baseline\": {\"name\": \"%s\", \"cpu_ns\": %.2f, \"wall_ns\": %.2f}, ",
        r->noise, r->base.name, base.cpu, base.wall);
  fprintf(json, "\"contenders\": {");
  for (int i = 0; i < n; i++) {
    fprintf(json, "%s\"%s\": ", i ? ", " : "", f[i].name);
    if (f[i].cpu < 0)
      fprintf(json, "null");
    else if (unit)
      fprintf(json, "{\"value\": %.4f, \"%s\": %.4f}", f[i].cpu, r->second ? r->second : "p99",
              f[i].wall);
    else
      fprintf(json, "{\"cpu\": %.4f, \"wall\": %.4f, \"cpu_ns\": %.2f, \"wall_ns\": %.2f}",
              f[i].cpu, f[i].wall, f[i].cpu_ns, f[i].wall_ns);
  }
  fprintf(json, "}}");
  first_row = false;
}

static void put_number(char *out, double v) {
  snprintf(out, NAME, v >= 9.995 ? v >= 99.95 ? "%.0f" : "%.1f" : "%.2f", v);
}

/* With a unit a row has values, of which the second (if not below 0) stands behind a slash. */
void report_row(const struct row *r, const char *unit, struct span base, struct figure *f, int n) {
  struct line *line = &group.lines[group.lines_count];
  if (group.lines_count++ >= MOST_LINES) die("too many rows");
  copy(line->name, r->name);
  if (!unit) {
    group.has_base = true;
    copy(line->base_name, r->base.name);
    char cpu[NAME], wall[NAME];
    put_number(cpu, base.cpu);
    put_number(wall, base.wall);
    snprintf(line->base, NAME, "%.24s (%.24s)", cpu, wall);
  }
  for (int i = 0; i < n; i++) {
    char first[NAME], second[NAME];
    char *cell = line->cells[column(f[i].name)];
    if (f[i].cpu < 0) continue;
    put_number(first, f[i].cpu);
    put_number(second, f[i].wall);
    if (unit && f[i].wall < 0)
      copy(cell, first);
    else
      snprintf(cell, NAME, unit ? "%.24s / %.24s" : "%.24s (%.24s)", first, second);
  }
  put_json(r, unit, base, f, n);
  fprintf(stderr, "%s: %s\n", r->group, r->name);
}

void report_left_out(const char *row, const char *why) {
  fprintf(stderr, "bench: no row \"%s\": %s\n", row, why);
  left_out++;
}

void report_end(void) {
  print_group();
  fprintf(json, "\n], \"left_out\": %d}\n", left_out);
  fclose(json);
}
