/* SPDX-License-Identifier: MIT */
/* What runs before main(). */
#include <stdlib.h>

#pragma comment(lib, "vcruntime.lib")
#pragma comment(lib, "ucrt.lib")

/* The UCRT's. */
void _set_app_type(int type);
int _configure_narrow_argv(int mode);
int _initialize_narrow_environment(void);

int main(int argc, char **argv);
void mainCRTStartup(void);

void mainCRTStartup(void) {
  _set_app_type(1);          /* a console's */
  _configure_narrow_argv(1); /* as they are given */
  _initialize_narrow_environment();
  exit(main(__argc, __argv));
}
