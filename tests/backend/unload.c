/* SPDX-License-Identifier: MIT */
/* A library that is loaded and unloaded, again and again, as plug-ins are: unload LIBRARY. Nothing
 * of it stays in the process. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

static int count_lines(const char *path) {
  FILE *file = fopen(path, "r");
  int lines = 0;
  for (int c; file && (c = fgetc(file)) != EOF;) lines += c == '\n';
  if (file) fclose(file);
  return lines;
}

static int count_entries(const char *path) {
  DIR *folder = opendir(path);
  int n = 0;
  while (folder && readdir(folder)) n++;
  if (folder) closedir(folder);
  return n;
}

static int use(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    printf("%s\n", dlerror());
    return 1;
  }
  int32_t (*open_poller)(const void *, void **);
  int32_t (*close_poller)(void *, int64_t);
  *(void **)&open_poller = dlsym(library, "evpoll_open");
  *(void **)&close_poller = dlsym(library, "evpoll_close");
  void *p = NULL;
  if (!open_poller || !close_poller || open_poller(NULL, &p) != 0 || close_poller(p, -1) != 0)
    return 1;
  return dlclose(library);
}

int main(int argc, char **argv) {
  if (argc != 2 || use(argv[1]) != 0) return 2;
  const int maps = count_lines("/proc/self/maps"), fds = count_entries("/proc/self/fd");
  for (int i = 0; i < 1000; i++)
    if (use(argv[1]) != 0) return 2;
  const int more_maps = count_lines("/proc/self/maps") - maps;
  const int more_fds = count_entries("/proc/self/fd") - fds;
  if (more_maps > 2 || more_fds != 0) {
    printf("after 1000 times: %d mappings and %d descriptors more\n", more_maps, more_fds);
    return 1;
  }
  return 0;
}
