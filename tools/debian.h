#pragma once
#include "base/types.h"

/* Fetches Debian packages and all they depend on, with the machine's apt and its checks of signatures, and unpacks them into the directory
 * tree; no root is needed, and nothing is installed. Documentation, manuals and translations are left out. Progress goes to stderr under the
 * name `what`. packages: words. False: told. */
bool debian_unpack(const char *what, const char *packages, const char *tree, const char *log);
